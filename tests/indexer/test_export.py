"""Exports of tiny real models, held against sentence-transformers itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from onnx.numpy_helper import from_array
from onnxruntime import InferenceSession
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Dropout, LayerNorm, Normalize, Pooling
from transformers import CanineConfig, CanineModel, CanineTokenizer

from indexer import export as exporting
from indexer import int8
from indexer.export import Overrides, export
from indexer.parity import SENTENCES, parity
from naru.bundle import EncoderInfo
from naru.encoder import Encoder
from naru.errors import NaruError
from naru.presets import PRESETS, preset_of

MakeModel = Callable[..., Path]
LONG = " ".join(SENTENCES)


def source_vectors(model: Path, texts: list[str], prompt: str = "") -> np.ndarray:
    source = SentenceTransformer(str(model), device="cpu")
    return np.asarray(source.encode(texts, prompt=prompt, normalize_embeddings=True))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta", "electra"])
def test_the_graph_computes_what_the_model_computes(
    architecture: str, make_model: MakeModel, tmp_path: Path
) -> None:
    model = make_model(architecture)
    info = export(str(model), tmp_path / "bundle")
    texts = [*SENTENCES, "", "a", LONG]
    expected = source_vectors(model, texts)
    assert np.abs(expected @ expected.T).mean() < 0.95, "vectors all alike would prove nothing"
    exact = Encoder(tmp_path / "bundle", precision="fp32").passages(texts)
    np.testing.assert_allclose(exact, expected, atol=1e-5)
    small = Encoder(tmp_path / "bundle", precision="int8").passages(texts)
    assert (small * expected).sum(1).mean() > 0.99
    assert info.precision == "int8"
    assert (info.dimension, info.max_length, info.pooling) == (32, 40, "mean")


HEADS = {
    "mean": [Pooling(32, "mean"), Normalize()],
    "cls": [Pooling(32, "cls"), Normalize()],
    "max": [Pooling(32, "max"), Normalize()],
    "lasttoken": [Pooling(32, "lasttoken"), Normalize()],
    "dense-tanh": [Pooling(32, "mean"), Dense(32, 24), Normalize()],
    "dense-without-bias": [
        Pooling(32, "cls"),
        Dense(32, 8, bias=False, activation_function=torch.nn.Identity()),
    ],
    "normalised-before-dense": [Pooling(32, "mean"), Normalize(), Dropout(0.5), Dense(32, 24)],
}


@pytest.mark.parametrize("head", HEADS)
def test_every_head(head: str, make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(modules=HEADS[head])
    info = export(str(model), tmp_path / "bundle", precision=["fp32"])
    expected = source_vectors(model, list(SENTENCES))
    np.testing.assert_allclose(Encoder(tmp_path / "bundle").passages(SENTENCES), expected, atol=1e-5)
    assert info.dimension == expected.shape[1]
    assert info.pooling == HEADS[head][0].pooling_mode


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        ([Pooling(32, "weightedmean")], "cannot export pooling 'weightedmean'"),
        ([Pooling(32, ("mean", "cls"))], "cannot export pooling"),
        ([Pooling(32, "mean", include_prompt=False)], "include_prompt=False"),
        ([Pooling(32, "mean"), Dense(32, 8, activation_function=torch.nn.GELU())], "Dense module with GELU"),
        ([Pooling(32, "mean"), LayerNorm(32)], "cannot export LayerNorm"),
    ],
    ids=["weighted-mean", "two-poolings", "prompt-left-out", "gelu", "unknown-module"],
)
def test_a_head_it_does_not_know_is_refused(
    modules: list[torch.nn.Module], message: str, make_model: MakeModel, tmp_path: Path
) -> None:
    with pytest.raises(NaruError, match=message):
        export(str(make_model(modules=modules)), tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_the_models_own_prompts_become_prefixes(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(prompts={"query": "query: ", "document": "passage: "})
    info = export(str(model), tmp_path / "bundle", precision=["fp32"])
    assert (info.query_prefix, info.passage_prefix) == ("query: ", "passage: ")
    encoder = Encoder(tmp_path / "bundle")
    texts = ["카드 분실", "여권"]
    np.testing.assert_allclose(encoder.queries(texts), source_vectors(model, texts, "query: "), atol=1e-5)
    np.testing.assert_allclose(encoder.passages(texts), source_vectors(model, texts, "passage: "), atol=1e-5)
    assert np.abs(encoder.queries(texts) - encoder.passages(texts)).max() > 0.01


def test_the_default_prompt_of_queries_is_none_of_passages(make_model: MakeModel, tmp_path: Path) -> None:
    """E5 names its query's prompt as the default; adapted with passage_prefix = "", its passages have none."""
    model = SentenceTransformer(str(make_model(prompts={"query": "query: ", "document": ""})), device="cpu")
    model.default_prompt_name = "query"
    model.save(str(tmp_path / "model"))
    info = export(str(tmp_path / "model"), tmp_path / "bundle", precision=["fp32"])
    assert (info.query_prefix, info.passage_prefix) == ("query: ", "")
    np.testing.assert_allclose(
        Encoder(tmp_path / "bundle").passages(["여권"]), model.encode_document(["여권"]), atol=1e-5
    )


def test_overrides_win_and_are_written(make_model: MakeModel, tmp_path: Path) -> None:
    wishes = Overrides("이름", "바탕", "mit", 16, "질문: ", "")
    model = make_model(prompts={"query": "query: ", "document": "passage: "})
    export(str(model), tmp_path / "bundle", precision=["fp32"], overrides=wishes)
    info = EncoderInfo.read(tmp_path / "bundle")
    assert (info.name, info.base_model, info.licence) == ("이름", "바탕", "mit")
    assert (info.max_length, info.query_prefix, info.passage_prefix) == (16, "질문: ", "")
    assert "이름" in (tmp_path / "bundle" / "encoder.json").read_text("utf-8")


def test_the_model_card_gives_licence_and_base_model(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    (model / "README.md").write_text(
        "---\nlicense: apache-2.0\nbase_model: klue/bert-base\n---\n# 카드\n", "utf-8"
    )
    info = export(str(model), tmp_path / "bundle", precision=["fp32"])
    assert (info.name, info.base_model, info.licence) == (model.name, "klue/bert-base", "apache-2.0")


def test_lower_casing_by_the_model_is_kept(make_model: MakeModel, tmp_path: Path) -> None:
    export(str(make_model(do_lower_case=True)), tmp_path / "bundle", precision=["fp32"])
    upper, lower = Encoder(tmp_path / "bundle").passages(["KTX", "ktx"])
    np.testing.assert_array_equal(upper, lower)


@pytest.mark.parametrize("architecture", ["roberta", "mpnet"])
def test_positions_that_there_are_not_are_never_asked_for(
    architecture: str, make_model: MakeModel, tmp_path: Path
) -> None:
    """64 position rows, of which padding_idx + 1 = 2 are not positions of tokens."""
    info = export(str(make_model(architecture, max_seq_length=None)), tmp_path / "bundle", precision=["fp32"])
    assert info.max_length == 62
    assert Encoder(tmp_path / "bundle").passages([LONG]).shape == (1, 32)


@pytest.mark.parametrize("length", [2, 65])
def test_an_impossible_length_is_refused(length: int, make_model: MakeModel, tmp_path: Path) -> None:
    with pytest.raises(NaruError, match=f"max_length {length}; expected 3 to 64"):
        export(str(make_model()), tmp_path / "bundle", overrides=Overrides(max_length=length))


def test_parity_is_what_is_measured_again(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    sentences = ["첫 문장입니다.", "둘째 문장은 조금 더 깁니다."]
    export(str(model), tmp_path / "bundle", sentences=sentences)
    for precision in ("fp32", "int8"):
        encoder = Encoder(tmp_path / "bundle", precision=precision)
        again = parity(source_vectors(model, sentences), encoder.passages(sentences))
        assert encoder.info.parity.sentences == 2
        assert encoder.info.parity.mean == pytest.approx(again.mean, abs=1e-6)
        assert encoder.info.parity.minimum == pytest.approx(again.minimum, abs=1e-6)


def test_parity_worked_by_hand() -> None:
    found = parity(np.array([[3, 4], [1, 0]], np.float32), np.array([[6, 8], [1, 1]], np.float32))
    assert found.mean == pytest.approx((1 + 0.5**0.5) / 2)
    assert found.minimum == pytest.approx(0.5**0.5)


def test_a_graph_that_strays_is_not_published(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No model at hand exports wrongly, so the bar is raised beyond what any graph reaches."""
    model, bundle = str(make_model()), tmp_path / "bundle"
    export(model, bundle, precision=["fp32"])
    before = {path.name: path.read_bytes() for path in bundle.iterdir()}
    monkeypatch.setattr(exporting, "LEAST_COSINE", 1.1)
    with pytest.raises(NaruError, match=r"least cosine .* expected at least 1\.1"):
        export(model, bundle)
    assert {path.name: path.read_bytes() for path in bundle.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_bundle_is_replaced_as_a_whole(make_model: MakeModel, tmp_path: Path) -> None:
    model, bundle = str(make_model()), tmp_path / "bundle"
    export(model, bundle)
    assert {path.name for path in bundle.iterdir()} == {
        "encoder.json",
        "tokenizer.json",
        "model.onnx",
        "model_int8.onnx",
    }
    export(model, bundle, precision=["int8"])
    assert {path.name for path in bundle.iterdir()} == {"encoder.json", "tokenizer.json", "model_int8.onnx"}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_is_no_bundle_is_left_alone(make_model: MakeModel, tmp_path: Path) -> None:
    (tmp_path / "논문.txt").write_text("중요")
    with pytest.raises(NaruError, match="exists and is not an encoder bundle"):
        export(str(make_model()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["논문.txt"]


@pytest.mark.parametrize("precision", [["fp16"], [], ["fp32", "int4"]])
def test_an_unknown_precision_is_refused(precision: list[str], tmp_path: Path) -> None:
    with pytest.raises(NaruError, match="expected one or both of fp32,int8"):
        export("any", tmp_path / "bundle", precision=precision)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        NaruError, match=r"cannot load it as a sentence-transformers model .*empty.* or one of ko-sroberta"
    ):
        export(str(tmp_path / "empty"), tmp_path / "bundle")


def test_a_tokenizer_in_python_only_is_refused(tmp_path: Path) -> None:
    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    CanineModel(CanineConfig(**size, num_hash_buckets=64, max_position_embeddings=64)).save_pretrained(
        tmp_path / "c"
    )
    CanineTokenizer().save_pretrained(tmp_path / "c")
    with pytest.raises(
        NaruError, match=r"tokenizer CanineTokenizer exists in Python only, so there is no tokenizer\.json"
    ):
        export(str(tmp_path / "c"), tmp_path / "bundle")


def test_a_model_that_ranks_by_dot_product_is_refused(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(modules=[Pooling(32, "mean")], similarity_fn_name="dot")
    with pytest.raises(NaruError, match="ranks by dot of vectors that are not normalised"):
        export(str(model), tmp_path / "bundle")
    model = make_model(modules=[Pooling(32, "mean"), Normalize()], similarity_fn_name="dot")
    assert export(str(model), tmp_path / "bundle", precision=["fp32"]).similarity == "cosine"


def test_weights_beyond_what_protobuf_holds_stand_beside_the_graph(
    make_model: MakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_PROTOBUF_LIMIT", 1)
    model, bundle = make_model(), tmp_path / "bundle"
    info = export(str(model), bundle)
    assert info.graph == ("model_int8.onnx", "model_int8.onnx.data")
    expected = source_vectors(model, list(SENTENCES))
    np.testing.assert_allclose(Encoder(bundle, precision="fp32").passages(SENTENCES), expected, atol=1e-5)
    assert (Encoder(bundle).passages(SENTENCES) * expected).sum(1).mean() > 0.99


def test_int8_holds_all_large_weights_as_bytes(tiny_bundle: Path) -> None:
    graph = onnx.load(tiny_bundle / "model_int8.onnx").graph
    floats = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    matrices = {tensor.name for tensor in floats if len(tensor.dims) == 2 and min(tensor.dims) > 1}
    assert matrices == {"embeddings.token_type_embeddings.weight"}, "two rows: nothing to save"
    operators = [node.op_type for node in graph.node]
    assert operators.count("MatMulIntegerToFloat") == 2 * 6
    matrices = {node.input[1] for node in graph.node if node.op_type == "MatMulIntegerToFloat"}
    for tensor in graph.initializer:
        if tensor.name in matrices:
            assert tensor.data_type == onnx.TensorProto.INT8


def test_int8_holds_layers_after_pooling_in_half_precision(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model(modules=[Pooling(32, "mean"), Dense(32, 24, bias=False), Normalize()])
    exact = export(str(model), tmp_path / "exact", precision=["fp32"])
    small = export(str(model), tmp_path / "bundle", precision=["int8"])
    assert exact.parity.minimum > 0.9999
    assert small.parity.mean > 0.99
    graph = onnx.load(tmp_path / "bundle" / "model_int8.onnx").graph
    (weight,) = (tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT16)
    assert list(weight.dims) == [24, 32]


def test_int8_of_weights_used_twice() -> None:
    rng = np.random.default_rng(1)
    table, square = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(4, 4)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["a"]),
        helper.make_node("Gather", ["table", "others"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
        helper.make_node("MatMul", ["sum", "table.t"], ["c"]),
        helper.make_node("MatMul", ["sum", "square"], ["d"]),
        helper.make_node("MatMul", ["d", "square"], ["e"]),
        helper.make_node("Gemm", ["e", "square"], ["f"]),
        helper.make_node("Gemm", ["f", "square"], ["y"]),
    ]
    ids = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, ["n"]) for name in ("ids", "others")]
    outputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
        for name, size in (("y", 4), ("c", 9))
    ]
    weights = [
        from_array(table, "table"),
        from_array(table.T.copy(), "table.t"),
        from_array(square, "square"),
    ]
    model = helper.make_model(
        helper.make_graph(nodes, "twice", ids, outputs, weights), opset_imports=[helper.make_opsetid("", 18)]
    )
    model.ir_version = 10
    asked = {"ids": np.array([0, 5, 8]), "others": np.array([1, 1, 2])}
    exact = InferenceSession(model.SerializeToString()).run(None, asked)
    int8.quantise(model)
    onnx.checker.check_model(model)
    for one, other in zip(exact, InferenceSession(model.SerializeToString()).run(None, asked), strict=True):
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.999


@given(st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_int8_weights_cannot_saturate_sixteen_bits(rows: int, seed: int) -> None:
    """x86 without VNNI adds two neighbouring products of u8 and s8 in 16 bits."""
    weight = np.random.default_rng(seed).standard_normal((rows, 5)).astype(np.float32)
    integers, scale = int8._columns(weight)
    worst = np.concatenate([integers, np.zeros((rows % 2, 5), np.int8)]).reshape(-1, 2, 5).astype(int)
    for sign in (1, -1):
        assert (255 * np.maximum(sign * worst, 0).sum(1)).max() < 2**15
    assert np.abs(integers * scale - weight).max() <= scale.max() / 2 + 1e-6


def test_presets_give_prefixes_by_short_name_and_by_hub_name() -> None:
    assert preset_of("e5-base").query_prefix == "query: "
    assert preset_of("intfloat/multilingual-e5-base") is PRESETS["e5-base"]
    assert (preset_of("some/other").model, preset_of("some/other").query_prefix) == ("some/other", "")


def test_no_local_path_gets_into_the_bundle(make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    export(str(model), tmp_path / "bundle", precision=["fp32"])
    description = json.loads((tmp_path / "bundle" / "encoder.json").read_text("utf-8"))
    assert str(model.parent) not in json.dumps(description)
    assert description["base_model"] == model.name
