"""What the rungs cost against a C program that makes the same system calls."""
