"""The trainer of sentence-transformers with our batches and our checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from datasets import DatasetDict
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer
from sentence_transformers import SentenceTransformerTrainingArguments as Arguments
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader
from transformers import PrinterCallback, TrainerCallback, set_seed

from finetune import checkpoints
from finetune.checkpoints import Say
from finetune.data import Rows
from finetune.loop.batches import Collate, Weighted
from finetune.loop.flow import Flow, best_step
from finetune.loop.samplers import SAMPLERS, Neighbours, Plain
from finetune.recipe import Training
from finetune.shapes import Shape


@dataclass(frozen=True)
class Supply:
    """The data sets of a stage, for each its weight and, where it has one, its own batch size."""

    rows: Sequence[Rows]
    weights: Sequence[float]
    sizes: Sequence[int | None]
    sampler: str
    seed: Sequence[int]
    compared: Collection[str] = ()  # names of those whose texts a teacher compares

    def batches(self, size: int, planned: int, together: int = 1) -> Weighted:
        """Batches of `size` rows where the recipe plans `planned`: own sizes shrink as much. Unless the sampler is plain,
        classed rows come by class and rows that a teacher compares with their neighbours, as a batch of strangers
        teaches nothing; no others do."""
        sources = []
        for number, (rows, own) in enumerate(zip(self.rows, self.sizes, strict=True)):
            fitted = max(1, (own or planned) * size // planned)
            sources.append(self._kind(rows)(rows.dataset, fitted, [*self.seed, number], rows.name))
        return Weighted(sources, self.weights, self.seed, together)

    def _kind(self, rows: Rows) -> type[Plain]:
        if self.sampler != "plain" and rows.shape is Shape.CLASSED:
            return SAMPLERS["by-class"]
        if self.sampler != "plain" and rows.name in self.compared:
            return Neighbours
        return SAMPLERS["no-duplicates" if self.sampler == "by-class" else self.sampler]


_Trainer: Any = SentenceTransformerTrainer  # most of it has no types


class Trainer(_Trainer):  # type: ignore[misc]
    """Draws from a `Supply`; its checkpoints lie in `args.output_dir` as `finetune.checkpoints` has them.

    With `training.auto_batch_size` a batch that does not fit into memory begins the stage again with batches of half
    the size (in one process only: others would wait for this one).
    """

    def __init__(
        self,
        model: SentenceTransformer,
        args: Arguments,
        supply: Supply,
        losses: Sequence[nn.Module],
        collate: Collate,
        evaluator: Any,
        callbacks: Sequence[TrainerCallback],
        training: Training,
        say: Say,
        flow: Flow,
    ) -> None:
        self.supply, self.training, self.say, self.flow = supply, training, say, flow
        self.folder = Path(str(args.output_dir))
        keys = [str(number) for number in range(len(losses))]  # names may hold dots, which torch refuses
        super().__init__(
            model=model,
            args=args,
            train_dataset=DatasetDict(
                {key: rows.dataset.with_format(None) for key, rows in zip(keys, supply.rows, strict=True)}
            ),
            loss=dict(zip(keys, losses, strict=True)),
            evaluator=evaluator,
            data_collator=collate,
            callbacks=[flow, *callbacks],
        )
        self.remove_callback(PrinterCallback)  # the journal prints
        heads = _Heads(self)
        self.add_callback(heads)
        self.accelerator.clip_grad_norm_ = heads.clipping(self.accelerator.clip_grad_norm_)

    @property
    def named_losses(self) -> dict[str, nn.Module]:
        """Each data set's loss, by its name."""
        return {rows.name: self.loss[str(number)] for number, rows in enumerate(self.supply.rows)}

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: the card is our own."""

    def get_train_dataloader(self) -> Any:
        self.batches = self.supply.batches(
            self._train_batch_size, self.args.train_batch_size, self.args.world_size
        )
        loader: DataLoader[Any] = DataLoader(
            ConcatDataset(list(self.train_dataset.values())),
            batch_sampler=self.batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )
        self.accelerator.even_batches = False
        return self.accelerator.prepare(loader)

    def _inner_training_loop(
        self,
        batch_size: int | None = None,
        args: Any = None,
        resume_from_checkpoint: Any = None,
        trial: Any = None,
        ignore_keys_for_eval: Any = None,
    ) -> Any:
        size = batch_size or self.args.train_batch_size
        halving = self.training.auto_batch_size and self.args.world_size == 1
        start = _copy(self.model, self.named_losses) if halving else None
        begun = int(Path(resume_from_checkpoint).name.rpartition("-")[2]) if resume_from_checkpoint else 0
        while True:
            try:
                return super()._inner_training_loop(
                    size, args, resume_from_checkpoint, trial, ignore_keys_for_eval
                )
            except RuntimeError as error:
                if start is None or size < 4 or not should_reduce_batch_size(error):
                    raise
            size //= 2
            self.say(f"Out of memory: this stage begins again with batches of {size}.")
            self.optimizer = self.lr_scheduler = None
            clear_device_cache(garbage_collection=True)
            for step, folder in checkpoints.steps(self.folder).items():
                if step > begun:
                    checkpoints.remove(folder)
            checkpoints.restore(start, self.model, self.named_losses, self.folder)
            set_seed(self.args.seed)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.store_flos()
        folder = self.folder / f"checkpoint-{self.state.global_step}"
        part = str(checkpoints.begin(folder) if self.args.should_save else checkpoints.hidden(folder))
        self.accelerator.wait_for_everyone()
        self._save_optimizer_and_scheduler(part)
        self._save_scaler(part)
        self._save_rng_state(part)
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            checkpoints.save_weights(Path(part), self.model, self.named_losses)
            self.state.save_to_json(str(Path(part) / checkpoints.STATE))
            if self.flow.early:
                (Path(part) / checkpoints.EARLY).touch()
            checkpoints.publish(folder)
            best = best_step(self.state.log_history) if self.training.best_model else None
            kept = max(self.training.keep, self.training.average or 0)
            checkpoints.rotate(self.folder, kept, [] if best is None else [best])
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        checkpoints.load_weights(Path(resume_from_checkpoint), self.model, self.named_losses)


class _Heads(TrainerCallback):
    """What the trainer does for the model's parameters and forgets for those of losses: it neither takes the mean of
    their gradients over processes, nor clips them with the others, nor clears them after a step, so that they would add
    up over all steps."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self._meant = False

    def clipping(self, clip: Callable[..., Any]) -> Callable[..., Any]:
        """Accelerate's way to clip, of these parameters too: one norm over all that is trained."""

        def clipped(parameters: Iterable[Tensor], *given: Any, **options: Any) -> Any:
            self._mean()
            return clip([*parameters, *self._parameters()], *given, **options)

        return clipped

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.trainer.batches.set_epoch(int(state.epoch))  # which several processes hide from the trainer

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._mean()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._meant = False
        for tensor in self._parameters():
            tensor.grad = None

    def _mean(self) -> None:
        """Over processes, once a step."""
        processes = self.trainer.args.world_size
        if processes > 1 and not self._meant:
            for tensor in self._parameters():
                grad = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
                torch.distributed.all_reduce(grad)
                tensor.grad = grad / processes
        self._meant = True

    def _parameters(self) -> Iterator[Tensor]:
        for loss in self.trainer.loss.values():
            for _name, tensor in checkpoints.parameters(loss, self.trainer.model):
                if tensor.requires_grad:
                    yield tensor


def _copy(model: nn.Module, losses: dict[str, nn.Module]) -> dict[str, Any]:
    """Weights as `checkpoints.restore` takes them."""
    own = {
        name: {key: tensor.detach().cpu().clone() for key, tensor in checkpoints.parameters(loss, model)}
        for name, loss in losses.items()
    }
    return {"model": {key: t.detach().cpu().clone() for key, t in model.state_dict().items()}, "losses": own}
