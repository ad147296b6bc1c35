"""An EC2 service for tests; ../README.md says how to use it and what is where."""
