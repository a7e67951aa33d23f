"""The commands: one module for each group of verbs, each a function from the parsed arguments to an exit code."""
