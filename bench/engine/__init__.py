"""How fast the embedded engine is, as whole processes: `python -m bench.engine`."""
