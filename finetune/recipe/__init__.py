"""A training recipe: what a TOML file says, as frozen dataclasses. `load` reads one, `filled` adds the user's data.

The keys of the file are the fields below. A number that asks for another default at another size of model or data
says so beside it. This module knows neither torch nor the data: a bad recipe is refused at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from finetune.recipe.agreement import check_agreement
from finetune.recipe.changes import apply, inherited, spelled
from finetune.recipe.fitting import FITTING
from finetune.recipe.limits import Above, AtLeast, Between, OneOf
from finetune.recipe.lines import lines_of
from finetune.recipe.tables import KeyPlaces, build, meant
from finetune.shapes import Shape
from naru.errors import NaruError

SCHEDULERS = (
    "linear cosine cosine_with_restarts polynomial constant constant_with_warmup inverse_sqrt".split()
)
OPTIMIZERS = "adamw_torch_fused adamw_torch adafactor sgd adagrad rmsprop".split()

Count = Annotated[int, AtLeast(1)]
Rate = Annotated[float, Above(0)]
Weight = Annotated[float, Above(0)]
When = Annotated[str, OneOf("no", "epoch", "steps")]
TrainingShape = Annotated[str, OneOf(*(str(shape) for shape in FITTING))]
HeldShape = Annotated[str, OneOf(*(str(shape) for shape in Shape))]


@dataclass(frozen=True)
class Adapter:
    """[model.adapter]: dense layers after pooling. [256] is one linear layer; [512, 256] has `activation` between."""

    dimensions: list[Count]
    activation: Annotated[str, OneOf("relu", "gelu", "tanh", "none")] = "relu"
    learning_rate: Rate = 1e-3  # its weights are new: thirty times the encoder's rate


@dataclass(frozen=True)
class Lora:
    """[model.lora]: low-rank updates of attention instead of all weights, merged into them after training."""

    rank: Count = 8
    alpha: Count = 16  # the update is scaled by alpha / rank: twice
    dropout: Annotated[float, Between(0, 0.9)] = 0.05
    targets: list[str] | None = None  # names of linear layers; None: attention's query and value


@dataclass(frozen=True)
class Vocabulary:
    """[model.vocabulary]: a new tokenizer and start embeddings under the body of the base.

    `characters` is how many characters the tokenizer sees of each "train/wiki.text": column `text` of the file
    `train/wiki.parquet` under the root. `align` starts new tokens near their translations, by the sentence pairs
    (columns ko, en) of the file `parallel` ("train/pairs.parquet") and the company that tokens keep in the texts of
    `neighbours` ("train/wiki.text", as above).
    """

    size: Count
    characters: dict[str, Count]
    align: bool = True
    parallel: str | None = None
    neighbours: str | None = None


@dataclass(frozen=True)
class Model:
    """[model]: the encoder that training starts from. None is always the base's own."""

    base: str  # a preset's name, the bundled "naru-mini", a folder, or a name on the Hub
    max_length: Annotated[int, AtLeast(4)] | None = None  # tokens of the trained model
    pooling: Annotated[str, OneOf("mean", "cls")] | None = None  # a bare transformer gets the mean
    query_prefix: str | None = None
    passage_prefix: str | None = None
    dropout: Annotated[float, Between(0, 0.9)] | None = None
    frozen_layers: Annotated[int, AtLeast(0)] = (
        0  # above 0: embeddings and that many lower layers do not learn
    )
    attention_heads: Count | None = None  # only for a body made fresh
    fresh: dict[str, Count] | None = (
        None  # {layers = 6, hidden = 384}: random weights, the base's architecture
    )
    vocabulary: Vocabulary | None = None
    adapter: Adapter | None = None
    lora: Lora | None = None
    pca: Annotated[float, Above(0), Between(0, 1)] | None = None  # share of variance kept, 0.95 say
    whitening: Annotated[float, Above(0), Between(0, 1)] | None = (
        None  # 0.5 is half the way to white, 1 all of it
    )


@dataclass(frozen=True)
class Loss:
    """`loss = "ranking"` or `loss = {name = "ranking", temperature = 0.05}`; names in finetune.recipe.fitting."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    matryoshka: list[Count] | None = None  # dimensions that each carry the loss, largest first


@dataclass(frozen=True)
class Source:
    """[[data]]: one data set, its loss and its share of the batches."""

    name: str
    path: str | None = None  # None: given by --data; relative to the root; hf://OWNER/NAME[/CONFIG][:SPLIT]
    reader: str | None = None  # a maker of weak pairs (finetune.weak); None: by file format and columns
    split: str | None = None  # of a BEIR folder or a Hub data set
    shape: TrainingShape | None = None  # None: recognised by columns
    columns: dict[str, str] | None = None  # ours -> the file's own
    score_range: list[float] | None = None  # [0, 5], say; None: 0..1 or 0..5 by what is there
    loss: Loss | None = None  # None: by shape
    weight: Weight = 1.0  # share of the batches, relative to the other data sets
    rows: Count | None = None  # so many, drawn at random; None: all
    batch_size: Count | None = None  # None: [training]'s
    query_length: Count | None = None  # tokens while training; None: [training]'s
    document_length: Count | None = None


@dataclass(frozen=True)
class Evaluation:
    """[[evaluation]]: held-out data, measured before, while and after training."""

    name: str
    path: str | None = None
    split: str | None = None
    shape: HeldShape | None = None
    teacher: str | None = (
        None  # with shape = "teacher-vectors": whose vectors the texts are to have, as in [model] base
    )
    columns: dict[str, str] | None = None
    score_range: list[float] | None = None
    queries: Count | None = None  # at most so many, spread evenly
    passages: Count | None = None  # at most so many, the relevant ones first


@dataclass(frozen=True)
class Training:
    """[training]: how the optimizer runs. A step is one update by `accumulate` batches."""

    epochs: Annotated[float, Above(0)] = (
        1.0  # thousands of pairs are learnt in one pass; hundreds want several
    )
    steps: Count | None = None  # given: in place of epochs
    batch_size: Count = 32  # as many as memory bears for in-batch negatives: 64 to 256
    auto_batch_size: bool = False  # halve it when memory runs out
    accumulate: Count = 1  # batches an update; in-batch negatives stay those of one batch
    gradient_checkpointing: bool = False  # less memory, a third slower
    learning_rate: Rate = 2e-5  # 2e-5 to 5e-5 for base-size encoders, 1e-4 to 3e-4 for small ones
    embedding_learning_rate: Rate | None = None  # of the token embeddings, where they are new
    scheduler: Annotated[str, OneOf(*SCHEDULERS)] = "linear"
    warmup: Annotated[float, AtLeast(0)] = 0.1  # below 1 a share of the steps, from 1 steps
    weight_decay: Annotated[float, AtLeast(0)] = 0.01
    clip: Rate = 1.0  # largest norm of the gradient
    optimizer: Annotated[str, OneOf(*OPTIMIZERS)] = "adamw_torch_fused"
    precision: Annotated[str, OneOf("auto", "fp32", "bf16", "fp16")] = "auto"  # what the hardware does fast
    evaluate: When = "epoch"
    evaluate_steps: Count | None = None  # with evaluate = "steps"
    save: When = "epoch"
    save_steps: Count | None = None  # with save = "steps"
    keep: Count = 2  # checkpoints; each is three times the model, for the optimizer's moments
    log_steps: Count = 10
    evaluation_accumulation: Count | None = (
        None  # batches of a corpus whose vectors stay on the accelerator at once while retrieval is measured
    )
    best_model: bool = True  # in the end the best evaluated model, not the last
    early_stopping: Count | None = None  # evaluations in a row without gain before training stops
    early_stopping_threshold: Annotated[float, AtLeast(0)] = 0.0  # what counts as gain
    sampler: Annotated[str, OneOf("no-duplicates", "like-length", "plain", "by-class")] = "no-duplicates"
    query_length: Count | None = None  # tokens while training; None: the model's length
    document_length: Count | None = None
    average: Annotated[int, AtLeast(2)] | None = None  # mean of the weights of the last so many checkpoints
    start_share: Annotated[float, Between(0, 0.9)] = 0.0  # mixed into the end: of the weights at the start
    report_to: list[Annotated[str, OneOf("tensorboard", "wandb")]] = field(default_factory=list)
    hub_model_id: str | None = None
    hub_strategy: Annotated[str, OneOf("end", "every_save", "checkpoint", "all_checkpoints")] = "every_save"
    hub_private: bool = True


@dataclass(frozen=True)
class Stage:
    """[[stage]]: run in order, each from the model of the one before. `training` says only what differs."""

    name: str
    data: list[str] | None = None  # names of [[data]]; None: all
    weights: dict[str, Weight] | None = None  # by name, in place of [[data]]'s
    training: Training = field(default_factory=Training)


@dataclass(frozen=True)
class Recipe:
    """The whole file. `places` says where each key stands, for messages."""

    name: str
    model: Model
    data: list[Source]
    description: str = ""
    licence: str | None = None
    seed: Annotated[int, AtLeast(0)] = 42
    held_out: Annotated[float, Between(0, 0.9)] = 0.1  # share of queries, where no [[evaluation]] is given
    training: Training = field(default_factory=Training)
    evaluation: list[Evaluation] = field(default_factory=list)
    stage: list[Stage] = field(default_factory=list)
    places: KeyPlaces = field(
        default=KeyPlaces("recipe", {}), compare=False, repr=False, metadata={"toml": False}
    )  # fmt: skip

    def at(self, key: str) -> str:
        """Where a key stands: "recipe.toml:12"; for one that is not written, where its table is."""
        return self.places.at(key)


def load(path: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe from a file, or a shipped one by its name (`e5-triplets`), and apply changes to it.

    A change is "training.epochs=3"; tables of a list go by number or by name: "data.law.weight=2". Raises NaruError
    naming key and line for an unknown key, a missing one, a wrong type, a value out of range, a loss that does not
    fit, and keys that contradict each other.
    """
    given = Path(path)
    shipped = files("finetune") / "recipes"
    if given.is_file():
        data, name = given.read_bytes(), str(path)
    elif (shipped / f"{path}.toml").is_file():
        data, name = (shipped / f"{path}.toml").read_bytes(), f"{path}.toml"
    else:
        names = sorted(entry.name.removesuffix(".toml") for entry in shipped.iterdir())
        raise NaruError(f"No recipe {str(path)!r}: neither a file nor shipped. {meant(str(path), names)}")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        table = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise NaruError(f"{name}: not TOML: {error}") from error
    lines = {key: f"{name}:{line}" for key, line in lines_of(text).items()}
    for change in changes:
        key = apply(change, table)
        lines = {at: line for at, line in lines.items() if not at.startswith((f"{key}.", f"{key}["))}
        lines[key] = f"--set {change}"
    places = KeyPlaces(name, lines)
    recipe: Recipe = replace(build(Recipe, inherited(spelled(table)), places), places=places)
    check_agreement(recipe)
    return recipe
