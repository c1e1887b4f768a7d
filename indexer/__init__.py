"""Indexing: a model exported to ONNX, a corpus read, embedded, built and published."""
