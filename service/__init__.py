"""The service that every substrate runs, and the definition of its root file system."""
