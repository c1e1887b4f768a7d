"""naru: Korean semantic search that knows when it has no answer."""

__version__ = "0.1.0"
