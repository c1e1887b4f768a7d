"""Vectors kept from build to build, and what a kill or a damaged file leaves of them."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from indexer.build import Plan, Summary, index
from indexer.remembered import Remembered
from naru.documents import Document
from naru.encoder import Encoder
from naru.store import Vector, open_store
from search import Searcher

DOCUMENTS = [
    Document(
        f"d{number}",
        f"{number}번 안내입니다. " + "자세한 절차를 안내합니다. " * (number % 7),
        f"제목 {number}",
    )
    for number in range(1500)
]


class Counting(Encoder):
    """Counts the passages that it embeds."""

    embedded = 0

    def passages(self, texts: Sequence[str]) -> Vector:
        self.embedded += len(texts)
        return super().passages(texts)


class Building:
    """Builds the collection `help`; `embedded` is how many passages the last build asked the encoder for."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.folder, self.bundle = folder, bundle
        self.embedded = 0

    def __call__(
        self, documents: Sequence[Document], progress: Callable[[str, int], None] = lambda stage, done: None
    ) -> Summary:
        encoder = Counting(self.bundle)
        plan = Plan("help", "documents.jsonl", str(self.bundle), replace=True)
        try:
            return index(documents, open_store(str(self.folder)), encoder, plan, progress)
        finally:
            self.embedded = encoder.embedded


@pytest.fixture
def built(tmp_path: Path, tiny_bundle: Path) -> Building:
    return Building(tmp_path / "store", tiny_bundle)


def test_only_what_changed_is_embedded_again(built: Building, tmp_path: Path, tiny_bundle: Path) -> None:
    first = built(DOCUMENTS)
    assert (built.embedded, first.reused) == (1500, 0)
    changed = [replace(DOCUMENTS[0], text="이제 달라졌습니다."), *DOCUMENTS[1:]]
    second = built(changed)
    assert (built.embedded, second.reused) == (1, 1499)
    assert second.provenance.truncated == sum(
        Encoder(tiny_bundle).cut([f"{one.title}\n{one.text}" for one in changed[start : start + 500]])
        for start in range(0, 1500, 500)
    )
    fresh = tmp_path / "fresh"
    index(
        changed,
        open_store(str(fresh)),
        Encoder(tiny_bundle),
        Plan("help", "x", str(tiny_bundle)),
        lambda *_: None,
    )
    found = []
    for folder in (tmp_path / "store", fresh):
        with Searcher.open(open_store(str(folder)), "help") as searcher:
            found.append(
                [(hit.passage.id, hit.logit) for hit in searcher.search("7번 안내 절차", limit=20).hits]
            )
    assert [one for one, _ in found[0][:5]] == [one for one, _ in found[1][:5]]  # further down are ties
    assert [one for _, one in found[0]] == pytest.approx([one for _, one in found[1]], abs=1e-5)
    (file,) = (tmp_path / "store" / ".cache" / "help").glob("*.vectors")
    assert file.stat().st_size == 1500 * (
        8 + 4 + 4 * Encoder(tiny_bundle).dimension
    )  # the old text is forgotten


def test_what_was_embedded_before_a_kill_is_not_embedded_again(built: Building) -> None:
    def killed(stage: str, done: int) -> None:
        if stage == "embed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        built(DOCUMENTS, killed)
    assert built.embedded == 1024
    summary = built(DOCUMENTS)
    assert (built.embedded, summary.reused) == (476, 1024)


def test_a_collection_withdrawn_leaves_nothing(built: Building, tmp_path: Path) -> None:
    built(DOCUMENTS[:10])
    open_store(str(tmp_path / "store")).delete("help")
    assert not (tmp_path / "store" / ".cache" / "help").exists()


def made(texts: list[str]) -> Vector:
    return np.array([[len(text), 1.0, 2.0] for text in texts], np.float32)


def refused(texts: list[str]) -> Vector:
    raise AssertionError(f"embedded again: {texts}")


def remember(folder: Path, *texts: str, fingerprint: str = "one") -> Path:
    with Remembered(folder, fingerprint, 3) as remembered:
        remembered.vectors(texts, made)
        remembered.keep_used()
    (file,) = folder.glob("*.vectors")
    return file


def test_damaged_records_are_made_anew(tmp_path: Path) -> None:
    file = remember(tmp_path, "가", "나나", "다다다")
    content = bytearray(file.read_bytes())
    content[24 + 15] ^= 1  # a vector of the second record
    file.write_bytes(content[:-5])  # and the third was cut off
    asked: list[str] = []

    def asking(texts: list[str]) -> Vector:
        asked.extend(texts)
        return made(texts)

    with Remembered(tmp_path, "one", 3) as remembered:
        vectors, known = remembered.vectors(["다다다", "가", "나나", "가"], asking)
        remembered.keep_used()
    assert (asked, known, remembered.reused) == (["다다다", "나나"], ["가", "가"], 2)
    assert vectors.tolist() == [[3, 1, 2], [1, 1, 2], [2, 1, 2], [1, 1, 2]]
    with Remembered(tmp_path, "one", 3) as remembered:
        vectors, _ = remembered.vectors(["나나", "다다다", "가"], refused)
    assert vectors[:, 0].tolist() == [2, 3, 1]
    assert file.stat().st_size == 3 * 24


def test_another_encoder_knows_nothing_of_it(tmp_path: Path) -> None:
    old = remember(tmp_path, "가")
    new = remember(tmp_path, "가", fingerprint="two")
    assert old != new
    assert not old.exists()


def test_a_second_build_at_the_same_time_does_without(tmp_path: Path) -> None:
    file = remember(tmp_path, "가")
    before = file.read_bytes()
    with (tmp_path / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with Remembered(tmp_path, "one", 3) as remembered:
            assert remembered.vectors(["가"], made)[1] == []
            remembered.keep_used()
    assert file.read_bytes() == before


def test_without_a_folder_or_the_right_to_it_nothing_is_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for folder in (None, tmp_path / "file" / "below"):
        with Remembered(folder, "one", 3) as remembered:
            assert remembered.vectors(["가"], made)[0].tolist() == [[1, 1, 2]]
            remembered.keep_used()


def test_vectors_of_an_encoder_with_a_like_fingerprint_are_not_taken(tmp_path: Path) -> None:
    for number, fingerprint in enumerate(("ab" * 16, "ab" * 15 + "cd")):
        vector = np.full((1, 4), number, np.float32)
        with Remembered(tmp_path, fingerprint, 4) as remembered:
            made, known = remembered.vectors(["글"], lambda texts, vector=vector: vector)  # type: ignore[misc]
        assert (made.tolist(), known, remembered.reused) == (vector.tolist(), [], 0)
