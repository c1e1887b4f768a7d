"""A sentence-transformers model -> an encoder bundle: Optimum's ONNX graph, pooling appended, int8, parity measured.

The one file of the index stage that needs torch, with its parts `pooling` and `int8`.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from naru.bundle import DESCRIPTION, TOKENIZER, EncoderInfo, Parity, fingerprint, write_description
from naru.encoder import Encoder, Vectors
from naru.errors import NaruError, missing_extra

try:
    import onnx
    from huggingface_hub import ModelCard
    from optimum.exporters.onnx import main_export
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from tokenizers import Tokenizer
    from torch.jit import TracerWarning  # type: ignore[attr-defined]
    from transformers import PreTrainedTokenizerFast

    from indexer.int8 import quantise
    from indexer.parity import SENTENCES, parity
    from indexer.pooling import append_head, pooling_of
    from naru.presets import PRESETS, positions_of, preset_of
except ModuleNotFoundError as missing:
    raise missing_extra(f"`naru export` needs {missing.name}", "export") from missing

PRECISIONS = ("fp32", "int8")
LEAST_COSINE = 0.9999
_GRAPHS = {"fp32": "model.onnx", "int8": "model_int8.onnx"}
_PROTOBUF_LIMIT = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Overrides:
    """What the bundle should say instead of what the model says of itself; None keeps the model's word."""

    name: str | None = None
    base_model: str | None = None
    licence: str | None = None
    max_length: int | None = None
    query_prefix: str | None = None
    passage_prefix: str | None = None


def export(
    model: str,
    bundle: Path,
    *,
    precision: Sequence[str] = PRECISIONS,
    sentences: Sequence[str] | None = None,
    overrides: Overrides | None = None,
) -> EncoderInfo:
    """Write the bundle of `model`: a sentence-transformers folder, a Hub name, or a preset (`naru.presets`).

    `sentences` are those parity is measured on, by default 32 Korean ones of many kinds. Returns the info of
    the bundle's default precision: int8 where it is among `precision`. The folder appears in one rename; a
    bundle already there stays until the new one is whole.

    Raises NaruError for an unknown precision, a folder in the way that is no bundle, a model that cannot be loaded
    or has no such graph (see `indexer.pooling`), and a float32 graph below a cosine of 0.9999 with the source on any sentence.
    """
    unknown = set(precision) - set(PRECISIONS)
    if unknown or not precision:
        raise NaruError(f"precision {','.join(precision)!r}; expected one or both of {','.join(PRECISIONS)}")
    if bundle.exists() and not (bundle / DESCRIPTION).is_file() and not _is_empty(bundle):
        raise NaruError(f"{bundle} exists and is not an encoder bundle; give another folder or remove it")
    source, facts = _open(model, overrides or Overrides())
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bundle.parent, prefix=f".{bundle.name}.") as folder:
        whole = Path(folder) / "bundle"
        whole.mkdir()
        infos = _write(source, facts, whole, precision, sentences or SENTENCES)
        write_description(whole, infos)
        _publish(whole, bundle, Path(folder) / "replaced")
    return infos[-1]


def _open(model: str, overrides: Overrides) -> tuple[SentenceTransformer, EncoderInfo]:
    """The model, ready to export, and what is known of it before there is a graph."""
    preset = preset_of(model)
    try:
        loaded = SentenceTransformer(preset.model, device="cpu")
    except (OSError, ValueError) as error:
        raise NaruError(
            f"{model}: cannot load it as a sentence-transformers model ({error}); expected a model folder, a name on "
            f"the Hub, or one of {', '.join(PRESETS)}"
        ) from error
    transformer, *rest = loaded
    if not isinstance(transformer, Transformer):
        raise NaruError(f"{model}: starts with {type(transformer).__name__}, expected a Transformer module")
    if not getattr(loaded.tokenizer, "is_fast", False):
        raise NaruError(
            f"{model}: its tokenizer {type(loaded.tokenizer).__name__} exists in Python only, so there is no "
            f"{TOKENIZER} to serve it with; give the model a fast tokenizer (PreTrainedTokenizerFast) and save it again"
        )
    if loaded.similarity_fn_name != "cosine" and not any(
        type(module).__name__ == "Normalize" for module in rest
    ):
        raise NaruError(
            f"{model}: ranks by {loaded.similarity_fn_name} of vectors that are not normalised; naru searches by "
            "cosine, which would rank otherwise"
        )
    loaded.eval().float()
    loaded.max_seq_length = _max_length(model, loaded, transformer, overrides.max_length)
    base_model, licence = _card(preset.model)
    query, passage = _prefixes(loaded)
    name = overrides.name or (Path(model).resolve().name if Path(model).exists() else model)
    facts = EncoderInfo(
        name=name,
        base_model=overrides.base_model or base_model or (name if Path(model).exists() else preset.model),
        licence=overrides.licence or licence or "unknown",
        dimension=int(loaded.get_embedding_dimension() or 0),
        max_length=loaded.max_seq_length,
        pooling=pooling_of(rest),
        similarity="cosine",
        query_prefix=_first(overrides.query_prefix, query, preset.query_prefix),
        passage_prefix=_first(overrides.passage_prefix, passage, preset.passage_prefix),
        precision="",
        parity=Parity(0.0, 0.0, 0),
        fingerprint="",
        graph=(),
    )
    return loaded, facts


def _first(*values: str | None) -> str:
    return next(value for value in values if value is not None)


def _prefixes(model: SentenceTransformer) -> tuple[str | None, str | None]:
    """The model's own query and passage prompts; None where it states none for either side. A default that is the
    queries' is none for passages."""
    prompts = model.prompts
    default = prompts.get(model.default_prompt_name or "")
    stated = (prompts[name] for name in ("passage", "document", "corpus") if prompts.get(name))
    passage = next(stated, None if model.default_prompt_name == "query" else default)
    query = prompts.get("query") or default
    return (query or "", passage or "") if query or passage else (None, None)


def _max_length(name: str, model: SentenceTransformer, transformer: Transformer, asked: int | None) -> int:
    """In tokens, special ones counted: what was asked, within what the model says and has positions for."""
    positions = positions_of(transformer.auto_model)
    if asked is not None and (asked <= 2 or (positions is not None and asked > positions)):
        most = "3 or more" if positions is None else f"3 to {positions}, the positions it has"
        raise NaruError(f"{name}: max_length {asked}; expected {most}")
    found = [length for length in (asked or model.max_seq_length, positions) if length is not None]
    if not found:
        raise NaruError(f"{name}: it does not say how many tokens it reads; say how many: --max-length 512")
    return int(min(found))


def _card(model: str) -> tuple[str | None, str | None]:
    """Base model and licence as the model card's header states them."""
    path = Path(model)
    if path.exists() and not (path / "README.md").is_file():
        return None, None
    data = ModelCard.load(path / "README.md" if path.exists() else model, ignore_metadata_errors=True).data
    base = data.base_model[0] if isinstance(data.base_model, list) and data.base_model else data.base_model
    return (str(base) if base else None), (str(data.license) if data.license else None)


def _write(
    source: SentenceTransformer,
    facts: EncoderInfo,
    folder: Path,
    precision: Sequence[str],
    sentences: Sequence[str],
) -> list[EncoderInfo]:
    """Tokenizer and graphs into `folder`; parity is measured with the encoder that will serve them."""
    transformer, *rest = source
    assert isinstance(transformer, Transformer)  # _open has seen to it
    _save_tokenizer(source.tokenizer, folder / TOKENIZER)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        transformer.auto_model.save_pretrained(f"{scratch}/source")
        source.tokenizer.save_pretrained(f"{scratch}/source")
        graph = _graph(Path(scratch))
    append_head(graph, rest, transformer.get_embedding_dimension())
    expected: Vectors = np.asarray(
        source.encode(list(sentences), prompt=facts.passage_prefix, show_progress_bar=False), np.float32
    )
    # float32 is always made and measured: it shows whether the graph computes what the model computes.
    exact = _measure(graph, replace(facts, precision="fp32"), folder, sentences, expected)
    if not exact.parity.minimum >= LEAST_COSINE:
        raise NaruError(
            f"{facts.name}: the ONNX graph does not compute what the model computes: least cosine "
            f"{exact.parity.minimum:.6f} over {len(sentences)} sentences, expected at least {LEAST_COSINE}. "
            "Nothing was written. Its architecture may not export; report it with the model's name"
        )
    if "int8" not in precision:
        return [exact]
    quantise(graph)
    small = _measure(graph, replace(facts, precision="int8"), folder, sentences, expected)
    if "fp32" in precision:
        return [exact, small]
    for name in exact.graph:
        (folder / name).unlink()
    return [small]


def _measure(
    graph: onnx.ModelProto, facts: EncoderInfo, folder: Path, sentences: Sequence[str], expected: Vectors
) -> EncoderInfo:
    """Save the graph and complete `facts` with its files, fingerprint and parity."""
    files = _save(graph, folder / _GRAPHS[facts.precision])
    facts = replace(facts, graph=files, fingerprint=fingerprint(folder, replace(facts, graph=files)))
    write_description(folder, [facts])
    return replace(facts, parity=parity(expected, Encoder(folder).passages(sentences)))


def _save_tokenizer(tokenizer: PreTrainedTokenizerFast, path: Path) -> None:
    """As the model uses it (lower-casing and all), uncut, with the padding token that the encoder pads with."""
    fast = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    fast.no_truncation()
    fast.enable_padding(pad_id=tokenizer.pad_token_id or 0, pad_token=tokenizer.pad_token or "[PAD]")
    fast.save(str(path), pretty=False)


def _graph(scratch: Path) -> onnx.ModelProto:
    """The transformer in `source`, alone, as ONNX: token ids -> token vectors [n, tokens, hidden]."""
    with _tracing():
        main_export(
            str(scratch / "source"),
            scratch / "onnx",
            task="feature-extraction",
            library_name="transformers",
            do_validation=False,
            no_post_process=True,
        )
    return onnx.load(scratch / "onnx" / "model.onnx")


@contextmanager
def _tracing() -> Iterator[None]:
    """Optimum 2.1 exports by tracing, which torch 2.13 calls legacy and transformers' mask code remarks upon."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        yield


def _save(graph: onnx.ModelProto, path: Path) -> tuple[str, ...]:
    """Write the graph; beyond protobuf's 2 GB its weights go to a file beside it. Returns the file names."""
    if sum(len(tensor.raw_data) for tensor in graph.graph.initializer) < _PROTOBUF_LIMIT:
        onnx.save(graph, path)
        return (path.name,)
    weights = f"{path.name}.data"
    onnx.save(graph, path, save_as_external_data=True, location=weights)
    onnx.load_external_data_for_model(graph, str(path.parent))  # saving has emptied the graph
    return (path.name, weights)


def _publish(whole: Path, bundle: Path, replaced: Path) -> None:
    if bundle.exists():
        bundle.replace(replaced)
    try:
        whole.replace(bundle)
    except OSError:
        if replaced.exists():
            replaced.replace(bundle)
        raise


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
