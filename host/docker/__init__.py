"""Docker on this machine: its API before the SDK is there, and what it leaves behind."""
