"""The speed of the embedded engine, as whole processes: `python -m bench.engine`."""
