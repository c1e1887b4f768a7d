"""Evaluation: how good the ranking is, measured over judged queries."""
