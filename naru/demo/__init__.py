"""The demo: a fictional service desk in Korean, with queries, judgements and triplets (see README.md)."""
