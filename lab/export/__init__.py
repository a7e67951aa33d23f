"""The comparison in the forms people and programs read; siblings, each with one `render(comparison) -> str`."""
