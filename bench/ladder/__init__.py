"""The cost of the rungs, compared with a C program that makes the same system calls."""
