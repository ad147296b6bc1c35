"""Where things are in the cloud's network."""
GATEWAY = "10.77.0.1"
METADATA = "169.254.169.254"
API_PORT = 4566
