"""The collections that a service answers from, and whether they are open yet."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from search.failures import Refusal
from search.searcher import Searcher


class Catalog:
    """Open searchers by collection name; the service finds them here at every request.

    Until something is offered the service is up and not ready. Offering replaces all of it in one step.
    """

    def __init__(self, searchers: Mapping[str, Searcher] | None = None) -> None:
        self._searchers: Mapping[str, Searcher] | None = None
        if searchers is not None:
            self.offer(searchers)

    @property
    def searchers(self) -> Mapping[str, Searcher]:
        """What is offered. Refusal (503) while nothing is."""
        if self._searchers is None:
            raise Refusal.not_ready("The collections are still being opened; try again in a moment.")
        return self._searchers

    def offer(self, searchers: Mapping[str, Searcher]) -> None:
        self._searchers = dict(searchers)

    def find(self, name: str | None) -> Searcher:
        """The searcher of a collection; None means the only one.

        Refusal: 503 not ready; 404 no such collection; 422 when none is named and there are several.
        """
        searchers = self.searchers
        there = ", ".join(searchers) or "none"
        if name is None:
            if len(searchers) != 1:
                raise Refusal(422, "invalid_request", f"collection: name one of those served: {there}.")
            return next(iter(searchers.values()))
        name = unicodedata.normalize("NFC", name)
        if name not in searchers:
            raise Refusal(404, "not_found", f"No collection {name!r} is served here; there: {there}.")
        return searchers[name]
