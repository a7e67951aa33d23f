"""How long a cluster takes from nothing."""
