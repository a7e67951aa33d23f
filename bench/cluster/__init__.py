"""The cold start of the built-in cluster, against two limits."""
