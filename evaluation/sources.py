"""Where rankings come from beside a collection: a running service, or an encoder's exact search over a corpus."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, Self

import httpx
import numpy as np
import numpy.typing as npt

from evaluation.figures import Cut
from evaluation.runs import Ranking, Run
from naru.cutoffs import Cutoff
from naru.documents import Document, Passage
from naru.errors import NaruError
from naru.text import Analyzer, normalize
from search import Answer
from search.wire import read_answer

DEEPEST_SERVED = 100
"""Hits that a service gives at most."""

_BLOCK = 1024  # documents scored at a time
_TRIES = 5
_EXPECTED = "expected http:// or https://, a host and perhaps a port, such as http://localhost:8080"


@dataclass(frozen=True, slots=True)
class Described:
    """What was evaluated: for a report."""

    collection: str
    encoder: str
    calibrated: bool
    made_from: Mapping[str, str] = field(default_factory=dict)
    cutoffs: Sequence[Cut] = ()


class Service:
    """Searches a collection of a naru service over HTTP, one request at a time."""

    def __init__(self, url: str, collection: str | None = None, *, timeout: float = 30.0) -> None:
        """`collection` may be None where the service has only one. NaruError where it cannot be reached, has no such
        collection, or the URL is none."""
        self.url = _checked(url).rstrip("/")
        self._client = httpx.Client(base_url=self.url, timeout=timeout)
        try:
            about = self._about(collection)
        except (KeyError, TypeError, AttributeError) as error:
            self.close()
            raise NaruError(f"{self.url}: responded, but not like a naru service; check the URL.") from error
        except BaseException:
            self.close()
            raise
        self.void: str | None = about["void"]
        self._cutoffs: dict[str, list[dict[str, Any]]] = about["cutoffs"]
        self.collection = str(about["name"])
        self.described = Described(
            self.collection,
            about["encoder"],
            about["calibrated"],
            {"service": self.url, "indexed": about["created"]},
        )

    def search(self, query: str, *, mode: str = "hybrid", limit: int = 10, anyway: bool = False) -> Answer:
        """As a searcher's, without tokens. NaruError for what the service refuses, in its words."""
        asked = {"query": query, "mode": mode, "limit": limit, "highlight": "off", "anyway": anyway}
        return read_answer(self.ask(asked))[0]

    def cutoffs(self, mode: str) -> list[Cut]:
        """The levels that the service offers in a mode."""
        return [Cut.of(Cutoff.from_json(one)) for one in self._cutoffs.get(mode, ())]

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The service's own JSON (/v1/search) for a search of the collection."""
        return self._ask("POST", "/v1/search", {"collection": self.collection, **asked})

    def _about(self, collection: str | None) -> dict[str, Any]:
        """What the service says of the collection, or of its only one."""
        found: dict[str, dict[str, Any]] = {
            one["name"]: one for one in self._ask("GET", "/v1/collections")["collections"]
        }
        if collection is None and len(found) == 1:
            return next(iter(found.values()))
        if collection is None or collection not in found:
            raise NaruError(
                f"{self.url}: {'say --collection' if collection is None else f'no collection {collection!r}'}; "
                f"expected one of: {', '.join(found) or 'none is served'}."
            )
        return found[collection]

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The service's JSON; where it is overloaded it is asked again when it says so."""
        for attempt in range(_TRIES):
            try:
                reply = self._client.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise NaruError(
                    f"{self.url} cannot be reached: {error}. Is it running? naru serve"
                ) from error
            if reply.status_code != httpx.codes.SERVICE_UNAVAILABLE or attempt == _TRIES - 1:
                break
            time.sleep(_seconds(reply.headers.get("Retry-After")))
        try:
            said = reply.json()
        except ValueError as error:
            raise NaruError(
                f"{self.url}{path}: status {reply.status_code} and no JSON: not like a naru service; check the URL."
            ) from error
        if not reply.is_success or not isinstance(said, dict):
            told = said.get("error") if isinstance(said, dict) else None
            message = told.get("message") if isinstance(told, dict) else None
            raise NaruError(
                f"{self.url}{path}: {message or f'status {reply.status_code}, not like a naru service; check the URL.'}"
            )
        return said

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _checked(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise NaruError(f"{url!r} is not the URL of a service: {error}; {_EXPECTED}.") from error
    if parsed.scheme in ("http", "https") and parsed.host:
        return url
    there = url.strip().lstrip("/")
    fix = f" Write http://{there}" if there and "://" not in there else ""
    raise NaruError(f"{url!r} is not the URL of a service; {_EXPECTED}.{fix}")


def is_service(url: str) -> bool:
    """Does a naru service answer at this URL? A Qdrant server, or nothing that answers within two seconds, is none."""
    try:
        reply = httpx.get(f"{url.rstrip('/')}/v1/collections", timeout=2.0)
        said = reply.json() if reply.is_success else None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return False
    return isinstance(said, dict) and "collections" in said


def _seconds(retry_after: str | None) -> float:
    """How long to wait before asking again, at most ten seconds; a second where the header is a date or nothing."""
    try:
        return min(max(float(retry_after or 1), 0.0), 10.0)
    except ValueError:
        return 1.0


class Encodes(Protocol):
    """A bundle's encoder, or a sentence-transformers model as `finetune.encoding` wraps it: L2-normalised vectors."""

    def queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...

    def passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]: ...


def exact_run(
    encoder: Encodes,
    documents: Iterable[Document],
    queries: Mapping[str, str],
    depth: int,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """The `depth` documents of greatest cosine for each query, over the whole corpus; ties as the corpus has them.

    Texts are normalised as in indexing and search, title and text as a passage has them. The corpus is streamed;
    `progress` gets the documents seen.
    """
    asked = encoder.queries([*map(Analyzer().spaced, queries.values())])
    ids: list[str] = []
    best = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    rest = iter(documents)
    while block := list(islice(rest, _BLOCK)):
        texts = [normalize(Passage(one.id, one.text, one.title).full_text).text for one in block]
        places = np.broadcast_to(np.arange(len(ids), len(ids) + len(block)), (len(queries), len(block)))
        ids += [one.id for one in block]
        best = np.concatenate([best, places], axis=1)
        scores = np.concatenate([scores, asked @ encoder.passages(texts).T], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        best, scores = np.take_along_axis(best, order, axis=1), np.take_along_axis(scores, order, axis=1)
        if progress is not None:
            progress(len(ids))
    run: dict[str, Ranking] = {}
    for query, row, found in zip(queries, best, scores, strict=True):
        run[query] = [(ids[place], float(score)) for place, score in zip(row, found, strict=True)]
    return run
