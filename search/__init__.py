"""Search: a query in, ranked passages out, from Python, over HTTP and on a page."""

from search.answer import Answer
from search.searcher import Searcher

__all__ = ["Answer", "Searcher"]
