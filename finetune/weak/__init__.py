"""Training pairs made by rule of texts that were not written as such."""
