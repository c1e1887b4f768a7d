"""bf16 on a CPU: half the work where the processor has it (avx512_bf16, amx)."""

from __future__ import annotations

from typing import Any

import torch
from sentence_transformers import SentenceTransformer

PLAIN = (
    "BertModel",
    "RobertaModel",
    "XLMRobertaModel",
)  # embeddings, encoder, attention mask as an input of it


def run_in_bf16(model: SentenceTransformer) -> None:
    """Run the body, and only the body, in bf16: weights, pooling, cosines and losses stay float32.

    Where the body is BERT-like, embeddings and attention mask hand over bf16, or residual stream and attention would be
    float32 and their sums and casts cost a third of a step. Other bodies run under autocast alone. At the end token
    vectors are float32 again.
    """
    body: Any = model[0].auto_model
    if type(body).__name__ in PLAIN:
        body.embeddings.register_forward_hook(lambda _module, _inputs, output: output.to(torch.bfloat16))
        body.encoder.register_forward_pre_hook(_narrow_mask, with_kwargs=True)
    forward = torch.autocast("cpu", torch.bfloat16)(body.forward)

    def widened(*inputs: Any, **options: Any) -> Any:
        output = forward(*inputs, **options)
        output["last_hidden_state"] = output["last_hidden_state"].float()
        return output

    body.forward = widened


def _narrow_mask(_module: Any, inputs: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    mask = options.get("attention_mask")
    return inputs, options if mask is None else {**options, "attention_mask": mask.to(torch.bfloat16)}
