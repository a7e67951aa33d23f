"""What an instance is given: the artifact, a secret, a folder for its data."""
