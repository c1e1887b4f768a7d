"""What retrieval offers for judged queries, with true scores: what calibration and cut-offs are fitted on.

Retrieval is the searcher's own, so keyboard repair, analysis and prefetch are those of serving. A row is one
candidate of one query: the union of what both channels prefetch. What neither offered is in no row; `relevant`
counts it all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from evaluation.arrays import Booleans, Floats, Integers, renumbered
from naru.beir import Split
from naru.documents import Passage
from naru.errors import NaruError, first_few
from naru.filters import Filter
from search import Searcher
from search.reading import check_query
from search.searcher import PREFETCH


@dataclass(frozen=True, eq=False)
class Candidates:
    """The candidates [n] of a split's queries [q], rows sorted by query, within one in no stated order.

    `semantic` is the cosine, `lexical` the share of what the query could reach (0 where no word is shared).
    `grade` is the judged relevance, 0 where nobody judged. `relevant` counts the relevant passages that the
    judgements name, `known` is the share of the query's BM25 weight whose tokens the collection knows.
    Queries of one of the `groups` are not independent: folds keep them together, and bootstraps draw them together.
    Promises are about queries, or about groups where those were `asked` for as values of a field; those with a confidence
    count groups as units either way.
    """

    queries: tuple[str, ...]  # [q] ids, in the order of the split
    query: Integers  # [n] index into queries
    passages: list[str]  # [n] ids
    semantic: Floats  # [n]
    lexical: Floats  # [n]
    grade: Integers  # [n]
    relevant: Integers  # [q]
    known: Floats  # [q]
    groups: tuple[str, ...] | None = None  # [q]
    asked: bool = False

    @property
    def right(self) -> Booleans:
        """[n] whether each candidate is judged relevant."""
        found: Booleans = self.grade > 0
        return found

    @property
    def clusters(self) -> Integers:
        """[q] the number of each query's group; its own where there are no groups."""
        if self.groups is None:
            return np.arange(len(self.queries))
        return renumbered(np.array(self.groups))

    @property
    def units(self) -> Integers:
        """[q] what coverage counts: the number of each query's group where groups were asked for, else of the query."""
        return self.clusters if self.asked else np.arange(len(self.queries))

    @cached_property
    def alphabetical(self) -> Integers:
        """[n] the place of each row's passage id among all of them, equal for equal ids: what breaks ties."""
        places = {passage: place for place, passage in enumerate(sorted(set(self.passages)))}
        return np.array([places[passage] for passage in self.passages], np.int64)

    def ranks(self, scores: Floats) -> Integers:
        """[n] each row's place among its query's by falling score, from 0; ties by passage id, as in serving."""
        order = np.lexsort((self.alphabetical, -scores, self.query))
        starts = np.searchsorted(self.query[order], np.arange(len(self.queries)))
        places = np.empty(len(order), np.int64)
        places[order] = np.arange(len(order)) - starts[self.query[order]]
        return places

    def rows(self, kept: Booleans) -> Self:
        """The same queries with the kept rows only."""
        return replace(
            self,
            query=self.query[kept],
            passages=[passage for passage, keep in zip(self.passages, kept, strict=True) if keep],
            semantic=self.semantic[kept],
            lexical=self.lexical[kept],
            grade=self.grade[kept],
        )

    def select(self, chosen: Booleans) -> Self:
        """The chosen queries [q] with their rows, numbered anew."""
        left = self.rows(chosen[self.query])
        numbers = np.cumsum(chosen) - 1
        places = np.flatnonzero(chosen)
        return replace(
            left,
            queries=tuple(self.queries[place] for place in places),
            query=numbers[left.query].astype(np.int64),
            relevant=self.relevant[chosen],
            known=self.known[chosen],
            groups=None if self.groups is None else tuple(self.groups[place] for place in places),
        )

    def save(self, path: Path) -> None:
        """As a compressed npz; `load` reads it back."""
        groups = () if self.groups is None else self.groups
        np.savez_compressed(
            path,
            queries=np.array(self.queries, np.str_),
            query=self.query,
            passages=np.array(self.passages, np.str_),
            semantic=self.semantic,
            lexical=self.lexical,
            grade=self.grade,
            relevant=self.relevant,
            known=self.known,
            groups=np.array(groups, np.str_),
            asked=np.array(self.asked),
        )

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as saved:
            groups = tuple(saved["groups"].tolist())
            return cls(
                queries=tuple(saved["queries"].tolist()),
                query=saved["query"],
                passages=saved["passages"].tolist(),
                semantic=saved["semantic"],
                lexical=saved["lexical"],
                grade=saved["grade"],
                relevant=saved["relevant"],
                known=saved["known"],
                groups=groups or None,
                asked=bool(saved["asked"]),
            )


def collect(
    searcher: Searcher,
    split: Split,
    *,
    filter: Filter | None = None,
    group: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Candidates:
    """Ask every query of a split for its candidates.

    Queries group by their most relevant passage (of equals the first id), or by the value of that passage's metadata
    field `group`, which promises are then about; a query without a relevant passage is a group of its own. `progress` gets the
    queries done and their total. NaruError naming the relevant passages that the collection lacks.
    """
    check_queries(split)
    relevant = _relevant(searcher, split)
    numbers, passages, semantic, lexical, grade, known = [], [], [], [], [], []
    for number, (query, text) in enumerate(split.queries.items()):
        offered = searcher.candidates(text, filter=filter)
        judgements = split.qrels[query]
        known.append(offered.known)
        for one in offered.scored:
            numbers.append(number)
            passages.append(one.passage.id)
            semantic.append(one.semantic or 0.0)
            lexical.append(one.lexical or 0.0)
            grade.append(max(judgements.get(one.passage.id, 0), 0))
        if progress is not None:
            progress(number + 1, len(split.queries))
    return Candidates(
        queries=tuple(split.queries),
        query=np.array(numbers, np.int64),
        passages=passages,
        semantic=np.array(semantic, np.float64),
        lexical=np.array(lexical, np.float64),
        grade=np.array(grade, np.int64),
        relevant=np.array([sum(said > 0 for said in split.qrels[query].values()) for query in split.queries]),
        known=np.array(known, np.float64),
        groups=tuple(_group(query, split, relevant, group) for query in split.queries),
        asked=group is not None,
    )


def of_mode(candidates: Candidates, mode: str, prefetch: int = PREFETCH) -> Candidates:
    """What a mode alone offers: all for hybrid, else its channel's best `prefetch`, of lexical those that share a word.

    NaruError on an unknown mode.
    """
    if mode == "hybrid":
        return candidates
    if mode == "semantic":
        return candidates.rows(candidates.ranks(candidates.semantic) < prefetch)
    if mode == "lexical":
        worded = candidates.rows(candidates.lexical > 0)
        return worded.rows(worded.ranks(worded.lexical) < prefetch)
    raise NaruError(f"Unknown mode {mode!r}: expected one of hybrid, semantic, lexical.")


def check_queries(split: Split) -> None:
    """NaruError, with its id, for the first query that no search would take: it is told before many were asked."""
    for query, text in split.queries.items():
        try:
            check_query(text)
        except NaruError as error:
            raise NaruError(f"Query {query!r} of the split {split.name!r}: {error}") from error


def _relevant(searcher: Searcher, split: Split) -> dict[str, Passage]:
    wanted = split.relevant
    there = {passage.id: passage for passage in searcher.collection.retrieve(wanted)}
    missing = [document for document in wanted if document not in there]
    if missing:
        raise NaruError(
            f"The split {split.name!r} judges {len(missing):,} of {len(wanted):,} relevant passages that the "
            f"collection {searcher.collection.name!r} does not hold: {first_few(missing)}. Judge the passages of this collection, "
            "or index the corpus that was judged."
        )
    return there


def _group(query: str, split: Split, relevant: dict[str, Passage], field: str | None) -> str:
    judged = split.qrels[query]
    best = min(judged, key=lambda document: (-judged[document], document))
    if judged[best] <= 0:
        return f"query {query}"
    if field is None:
        return best
    if field not in relevant[best].metadata:
        raise NaruError(
            f"The passage {best!r} has no metadata field {field!r} to group queries by; "
            f"it has {', '.join(relevant[best].metadata) or 'none'}."
        )
    return str(relevant[best].metadata[field])
