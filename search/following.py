"""The collections of a store as a service has them: all open at the start, and every publish followed.

A new version, a new calibration, a new or a withdrawn collection is noticed within SECONDS, opened beside what is
served, and offered in one step: requests under way finish on what they began with.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from threading import Event, Thread
from time import monotonic
from typing import Self

from naru.encoder import Encoder, open_encoder
from naru.errors import NaruError, no_collections
from naru.provenance import Provenance
from naru.store import Collection, Published, Store
from search.catalog import Catalog
from search.searcher import Searcher

SECONDS = 2.0
"""Between two looks at the store."""

AGAIN = 10.0
"""Seconds after which what could not be opened is tried once more."""

RETIRED = 60.0
"""Seconds that a replaced version stays open, for the requests that began on it."""


@dataclass(frozen=True)
class _Open:
    published: Published
    collection: Collection
    searcher: Searcher


@dataclass(frozen=True)
class _Refused:
    """What could not be opened, when (seconds of `monotonic`), and why."""

    published: Published
    since: float
    reason: str


class Following:
    """Keeps a catalog as its store is, from `start` to the end of the `with` block."""

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        *,
        encoder: str | None = None,
        threads: int | None = None,
        every: float = SECONDS,
        again: float = AGAIN,
    ) -> None:
        """`encoder` replaces the bundle that each collection names; `threads` are the cores one encoding may use."""
        self._store = store
        self._catalog = catalog
        self._encoder = encoder
        self._threads = threads
        self._every, self._again = every, again
        self._encoders: dict[str, Encoder] = {}
        self._open: dict[str, _Open] = {}
        self._retired: list[tuple[float, Collection]] = []
        self._refused: dict[str, _Refused] = {}
        self._trouble = ""
        self._over = Event()
        self._thread = Thread(target=self._follow, name="naru-following", daemon=True)

    def start(self) -> None:
        """Open and offer all there is, then follow. NaruError: the store is empty, or a collection cannot be opened."""
        published = self._published()
        if not published:
            raise NaruError(no_collections(self._store.location))
        for name, version in published.items():
            self._open[name] = self._opened(name, version)
        self._offer()
        self._thread.start()

    def look(self) -> None:
        """Take over what was published since the last look. What cannot be opened is told once on standard error, and
        what was served before stays."""
        published = self._published()
        self._refused = {name: one for name, one in self._refused.items() if name in published}
        changed = False
        for name in [name for name in self._open if name not in published]:
            self._retire(self._open.pop(name).collection)
            _say(f"{name!r} was deleted and is no longer served")
            changed = True
        for name, version in published.items():
            before = self._open.get(name)
            refused = self._refused.get(name)
            if refused is not None and refused.published != version:
                refused = None
            if refused is not None and monotonic() < refused.since + self._again:
                continue
            if before is not None and before.published == version:
                continue
            try:
                now = self._opened(name, version, before)
            except Exception as error:  # whatever is wrong with one collection, the others are served on
                # It is tried again: another process may have it open for a moment.
                reason = str(error) or repr(error)
                self._refused[name] = _Refused(version, monotonic(), reason)
                if refused is None or refused.reason != reason:
                    _say(f"what was published of {name!r} is not served: {reason}")
                continue
            self._refused.pop(name, None)
            self._open[name] = now
            if before is not None and before.collection is not now.collection:
                self._retire(before.collection)
            _say(f"{name!r} is served as it was published now ({version.version})")
            changed = True
        if changed:
            self._offer()
        self._close_retired(monotonic() - RETIRED)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        for one in self._open.values():
            one.collection.close()
        self._close_retired(monotonic())

    def _follow(self) -> None:
        while not self._over.wait(self._every):
            try:
                self.look()
            except Exception as error:  # the server or the disk is away; the next look may find it
                if (said := str(error) or repr(error)) != self._trouble:
                    _say(said)
                self._trouble = said
            else:
                self._trouble = ""

    def _published(self) -> dict[str, Published]:
        found = {name: self._store.published(name) for name in self._store.names()}
        return {name: version for name, version in found.items() if version is not None}

    def _opened(self, name: str, published: Published, before: _Open | None = None) -> _Open:
        if before is not None and before.published.version == published.version:
            return _Open(published, before.collection, Searcher(before.collection, before.searcher.encoder))
        collection = self._store.open(name)
        try:
            provenance = Provenance.from_facts(collection.manifest.facts)
            wanted = self._encoder or provenance.encoder
            encoder = self._encoders.get(wanted)
            if encoder is None or encoder.info.fingerprint != provenance.encoder_fingerprint:
                encoder = self._encoders[wanted] = open_encoder(wanted, threads=self._threads)
            return _Open(published, collection, Searcher(collection, encoder))
        except BaseException:
            collection.close()
            raise

    def _offer(self) -> None:
        self._catalog.offer({name: self._open[name].searcher for name in sorted(self._open)})

    def _retire(self, collection: Collection) -> None:
        self._retired.append((monotonic(), collection))

    def _close_retired(self, until: float) -> None:
        for since, collection in list(self._retired):
            if since <= until:
                self._retired.remove((since, collection))
                collection.close()


def _say(line: str) -> None:
    print(f"naru: {line}", file=sys.stderr, flush=True)
