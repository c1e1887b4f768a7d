"""The encoder over a tiny real bundle."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.parity import SENTENCES
from naru import encoder as encoding
from naru.bundle import EncoderInfo
from naru.encoder import Encoder, open_encoder
from naru.errors import NaruError

LONG = " ".join(SENTENCES)
MIXED = [*SENTENCES, "", " ", "A", LONG, "🙂", "ㅋㅋㅋ", "\u1112\u1161\u11ab", "a\0b"]


@pytest.fixture(scope="module", params=["fp32", "int8"])
def encoder(request: pytest.FixtureRequest, tiny_bundle: Path) -> Encoder:
    return Encoder(tiny_bundle, precision=request.param)


def test_vectors_are_float32_and_of_length_one(encoder: Encoder) -> None:
    vectors = encoder.passages(MIXED)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(MIXED), encoder.dimension) == (len(MIXED), 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_rows(encoder: Encoder) -> None:
    assert encoder.queries([]).shape == encoder.passages([]).shape == (0, 32)
    assert encoder.queries([]).dtype == np.float32


def test_queries_and_passages_have_their_own_prefix(encoder: Encoder) -> None:
    query, passage = encoder.queries(["카드"])[0], encoder.passages(["카드"])[0]
    assert np.abs(query - passage).max() > 0.01


def test_a_vector_depends_on_its_text_alone(encoder: Encoder) -> None:
    """Also in int8: a neighbour with an outlier must not coarsen it."""
    together = encoder.passages(MIXED)
    alone = np.concatenate([encoder.passages([text]) for text in MIXED])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    order = random.Random(3).sample(range(len(MIXED)), len(MIXED))
    np.testing.assert_allclose(
        encoder.passages([MIXED[place] for place in order]), together[order], atol=1e-5
    )


def test_more_texts_than_a_window(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = encoder.passages(MIXED)
    monkeypatch.setattr(encoding, "WINDOW", 7)
    np.testing.assert_allclose(encoder.passages(MIXED), whole, atol=1e-5)


def test_a_prefix_takes_its_part_of_what_is_read(tiny_bundle: Path) -> None:
    encoder = Encoder(tiny_bundle)
    for words in range(1, encoder.info.max_length):
        text = " ".join(["A"] * words)
        before = encoder.truncated
        encoder.passages([text])
        cut = encoder.truncated - before
        encoder.queries([text])
        assert (encoder.cut([text]), encoder.reads_whole(text)) == (cut, encoder.truncated == before + cut)
    assert cut == 1
    assert not encoder.reads_whole(text)


def test_cut_texts_are_counted_and_keep_their_last_special_token(tiny_bundle: Path) -> None:
    encoder = Encoder(tiny_bundle)
    encoder.passages(["짧다", LONG, LONG])
    assert encoder.truncated == 2
    encoder.queries([LONG])
    encoder.queries(["짧다"])
    assert encoder.truncated == 3
    [encoded] = encoder._tokenize("", [LONG], 0)
    assert len(encoded.ids) == encoder.info.max_length == 40
    assert encoded.ids[-1] == encoder._tokenizer.token_to_id("[SEP]")


@given(st.lists(st.integers(1, 3000), max_size=200))
def test_batches_keep_to_the_budget(lengths: list[int]) -> None:
    batches = [batch.tolist() for batch in encoding._batches(lengths)]
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    for batch in batches:
        assert batch
        assert len(batch) == 1 or len(batch) * max(lengths[place] for place in batch) <= encoding.TOKEN_BUDGET


def test_many_threads_get_the_same_vectors_and_one_count(tiny_bundle: Path) -> None:
    encoder = Encoder(tiny_bundle, threads=1)
    expected = np.concatenate([encoder.queries([text]) for text in MIXED])
    before = encoder.truncated
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: encoder.queries([text])[0], MIXED * 20))
    np.testing.assert_allclose(answers, np.tile(expected, (20, 1)), atol=1e-6)
    assert encoder.truncated - before == 20 * before
    assert before >= 1


def test_what_is_not_a_sequence_of_texts_is_refused(tiny_bundle: Path) -> None:
    encoder = Encoder(tiny_bundle)
    with pytest.raises(TypeError, match="got one str; put it in a list"):
        encoder.queries("카드")
    with pytest.raises(TypeError, match="text 1 is of type NoneType, expected str"):
        encoder.passages(["카드", None])  # type: ignore[list-item]


def test_a_lone_surrogate_is_named(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "WINDOW", 2)
    with pytest.raises(NaruError, match=r"text 3 has a lone surrogate \(U\+D83D\) at character 2"):
        Encoder(tiny_bundle).passages(["가", "나", "다", "카드\ud83d", "라"])


def test_the_default_precision_is_int8(tiny_bundle: Path) -> None:
    exact, small = Encoder(tiny_bundle, precision="fp32"), Encoder(tiny_bundle)
    assert small.info.precision == "int8"
    assert exact.fingerprint != small.fingerprint
    assert exact.info.parity.minimum >= 0.9999
    assert small.info.to_json()["parity"]["sentences"] == len(SENTENCES)
    with pytest.raises(NaruError, match="no precision 'fp16'; the bundle holds fp32, int8"):
        Encoder(tiny_bundle, precision="fp16")


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle, tmp_path / "copy"))


def edit(bundle: Path, change: Callable[[dict[str, object]], object]) -> None:
    path = bundle / "encoder.json"
    description = json.loads(path.read_text("utf-8"))
    change(description)
    path.write_text(json.dumps(description), "utf-8")


@pytest.mark.parametrize("decisive", ["max_length", "query_prefix", "passage_prefix", "pooling"])
def test_what_decides_a_vector_is_in_the_fingerprint(decisive: str, copy: Path) -> None:
    edit(copy, lambda description: description.update({decisive: 16 if decisive == "max_length" else "cls"}))
    with pytest.raises(
        NaruError, match=r"fingerprint [0-9a-f]{64}, expected [0-9a-f]{64} .*naru export MODEL"
    ):
        Encoder(copy)


@pytest.mark.parametrize("file", ["tokenizer.json", "model_int8.onnx"])
def test_files_changed_after_the_export_are_refused(file: str, copy: Path) -> None:
    expected = EncoderInfo.read(copy).fingerprint
    with (copy / file).open("ab") as stream:
        stream.write(b"\n")
    with pytest.raises(NaruError, match=f"files were changed after the export: .*{expected}"):
        Encoder(copy)


def test_the_name_is_not_in_the_fingerprint(copy: Path) -> None:
    edit(copy, lambda description: description.update(name="다른 이름", licence="mit"))
    assert Encoder(copy).info.name == "다른 이름"


@pytest.mark.parametrize("file", ["tokenizer.json", "model_int8.onnx"])
def test_a_missing_file_is_named(file: str, copy: Path) -> None:
    (copy / file).unlink()
    with pytest.raises(NaruError, match=rf"{file} is missing.*naru export MODEL"):
        Encoder(copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"encoder\.json: not JSON"),
        ("[]", "format version None, expected 1"),
        ('{"format_version": 9}', "format version 9, expected 1"),
        ('{"format_version": 1}', r"incomplete or damaged \(KeyError: 'precisions'\)"),
    ],
    ids=["broken", "a-list", "newer", "empty"],
)
def test_a_damaged_description_is_refused(text: str, message: str, copy: Path) -> None:
    (copy / "encoder.json").write_text(text)
    with pytest.raises(NaruError, match=message):
        Encoder(copy)


def test_a_wrong_dimension_is_refused(copy: Path) -> None:
    edit(copy, lambda description: description.update(dimension=64))
    with pytest.raises(NaruError, match="gives vectors of dimension 32, expected 64"):
        Encoder(copy)


def test_a_model_is_not_a_bundle(make_model: Callable[..., Path]) -> None:
    model = make_model()
    with pytest.raises(
        NaruError, match=rf"sentence-transformers.*not an encoder bundle.*naru export {model} BUNDLE"
    ):
        open_encoder(model)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=r"nowhere is no folder.*naru export MODEL BUNDLE"):
        open_encoder(tmp_path / "nowhere")
    with pytest.raises(NaruError, match=r"has no encoder\.json"):
        open_encoder(str(tmp_path))


def test_open_encoder_takes_a_path(tiny_bundle: Path) -> None:
    assert open_encoder(str(tiny_bundle), threads=1).fingerprint == Encoder(tiny_bundle).fingerprint


@pytest.mark.skipif(
    not Path(str(files("naru.bundled") / "naru-mini")).is_dir(),
    reason="naru/bundled/naru-mini is not in this checkout",
)
def test_naru_mini_is_the_default() -> None:
    encoder = open_encoder()
    assert encoder.info.name == "naru-mini"
    assert encoder.fingerprint == open_encoder("naru-mini").fingerprint
    card, passport, weather = encoder.queries(["카드를 잃어버렸어요", "분실한 카드 신고", "오늘 날씨가 좋다"])
    assert card @ passport > card @ weather


def test_serving_needs_no_torch() -> None:
    command = [sys.executable, "-X", "importtime", "-c", "import naru.encoder"]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    modules = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in imported.splitlines()}
    assert {"onnxruntime", "tokenizers"} <= modules
    assert not modules & {"torch", "transformers", "sentence_transformers", "optimum", "onnx"}
