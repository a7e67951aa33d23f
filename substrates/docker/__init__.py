"""The service as a Docker container: the substrate, and the plain container that the ladder boots."""
