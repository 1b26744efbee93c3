"""The image and `docker-compose.yml`, on a real Docker engine: `make installation`."""
