"""A substrate that is not the product's: a program of its own, started without anything around it."""
