"""The one service that every substrate runs, and the recipe of its root file system."""
