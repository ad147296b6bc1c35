"""The cloud on one's desk: what boots the instances of the EC2 service for tests; ../README.md."""
