"""Search: a query in, ranked passages out, from Python, over HTTP and on a page."""

from search.searcher import Answer, Searcher

__all__ = ["Answer", "Searcher"]
