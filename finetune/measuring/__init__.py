"""Held-out data measured: all of it together, against a teacher, and as the table of sentence similarity."""
