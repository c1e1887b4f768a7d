"""What follows the transformer, as ONNX nodes: token vectors -> pooled, projected, L2-normalised embeddings.

The modules of sentence-transformers (5.7) that it knows: Pooling (mean, cls, max, lasttoken), Dense, Normalize,
Dropout. Inputs are padded on the right, as `naru.encoder` pads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto
from onnx.helper import make_node, make_tensor_value_info
from onnx.numpy_helper import from_array
from sentence_transformers.sentence_transformer.modules import Dense, Dropout, Normalize, Pooling

from naru.errors import NaruError

_ACTIVATIONS: dict[type[torch.nn.Module], str | None] = {
    torch.nn.Identity: None,
    torch.nn.Tanh: "Tanh",
    torch.nn.ReLU: "Relu",
    torch.nn.Sigmoid: "Sigmoid",
}
POOLINGS = ("mean", "cls", "max", "lasttoken")


def pooling_of(modules: Sequence[torch.nn.Module]) -> str:
    """The pooling mode of the modules after the transformer; NaruError where they are not as described above."""
    names = [type(module).__name__ for module in modules]
    if not modules or not isinstance(modules[0], Pooling):
        raise NaruError(
            f"the model's modules after the transformer are {names}, expected Pooling first. "
            "Save it as SentenceTransformer(modules=[Transformer, Pooling, ...])"
        )
    for module in modules[1:]:
        of_vectors = not isinstance(module, Dense) or (
            module.module_input_name == module.module_output_name == "sentence_embedding"
        )
        if not isinstance(module, Dense | Normalize | Dropout) or not of_vectors:
            raise NaruError(
                f"cannot export {module}, one of the modules {names}; expected after Pooling only Dense "
                "(of the sentence embedding), Normalize and Dropout"
            )
    mode = modules[0].pooling_mode
    if mode not in POOLINGS or not modules[0].include_prompt:
        raise NaruError(
            f"cannot export pooling {mode!r} with include_prompt={modules[0].include_prompt}; "
            f"expected one of {', '.join(POOLINGS)}, with include_prompt=True"
        )
    return str(mode)


def append_head(model: onnx.ModelProto, modules: Sequence[torch.nn.Module], hidden: int) -> None:
    """Turn a graph of token vectors [n, tokens, hidden] into one of `embeddings` [n, dimension], in place.

    Its inputs become `input_ids` and `attention_mask`; `token_type_ids`, where the graph has them, zeros inside.
    """
    head = _Head(model.graph)
    head.zero_token_types()
    head.constants()
    head.pool(pooling_of(modules))
    dimension = hidden
    for place, module in enumerate(modules):
        if isinstance(module, Dense):
            head.dense(module, f"head.dense{place}")
            dimension = module.out_features
        elif isinstance(module, Normalize):
            head.normalise()
    head.normalise()  # of unit vectors nothing changes
    model.graph.node[-1].output[0] = "embeddings"
    del model.graph.output[:]
    model.graph.output.append(
        make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch_size", dimension])
    )


class _Head:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._last: str = graph.output[0].name

    def zero_token_types(self) -> None:
        inputs = {value.name: value for value in self._graph.input}
        unknown = inputs.keys() - {"input_ids", "attention_mask", "token_type_ids"}
        if unknown or not {"input_ids", "attention_mask"} <= inputs.keys():
            raise NaruError(
                f"the model's graph has the inputs {sorted(inputs)}, expected input_ids, attention_mask and "
                "perhaps token_type_ids; export a model of the BERT, RoBERTa, XLM-R or ELECTRA kind"
            )
        if "token_type_ids" not in inputs:
            return
        self._graph.input.remove(inputs["token_type_ids"])
        zero = from_array(np.zeros(1, np.int64))
        self._graph.node.insert(
            0, make_node("ConstantOfShape", ["head.shape"], ["token_type_ids"], value=zero)
        )
        self._graph.node.insert(0, make_node("Shape", ["input_ids"], ["head.shape"]))

    def constants(self) -> None:
        self._constant("head.index0", np.array(0, np.int64))
        self._constant("head.axis1", np.array([1], np.int64))
        self._constant("head.axis2", np.array([2], np.int64))
        self._constant("head.least", np.array(1e-12, np.float32))
        self._constant("head.lowest", np.array(np.finfo(np.float32).min))

    def pool(self, mode: str) -> None:
        tokens = self._last
        if mode == "cls":
            self._add("Gather", [tokens, "head.index0"], axis=1)
        elif mode == "lasttoken":
            count = self._add("ReduceSum", ["attention_mask", "head.axis1"], keepdims=1)
            last = self._add("Sub", [count, "head.axis1"])
            self._add("GatherND", [tokens, last], batch_dims=1)
        elif mode == "max":
            real = self._add("Cast", ["attention_mask"], to=TensorProto.BOOL)
            real = self._add("Unsqueeze", [real, "head.axis2"])
            self._add("Where", [real, tokens, "head.lowest"])
            self._add("ReduceMax", [self._last, "head.axis1"], keepdims=0)
        else:
            # mask [n, 1, tokens] @ tokens [n, tokens, hidden]: the sum without a masked copy of the tokens.
            mask = self._add("Cast", ["attention_mask"], to=TensorProto.FLOAT)
            row = self._add("Unsqueeze", [mask, "head.axis1"])
            total = self._add("MatMul", [row, tokens])
            total = self._add("Squeeze", [total, "head.axis1"])
            count = self._add("ReduceSum", [mask, "head.axis1"], keepdims=1)
            count = self._add("Max", [count, "head.least"])
            self._add("Div", [total, count])

    def dense(self, module: Dense, name: str) -> None:
        activation = type(module.activation_function)
        if activation not in _ACTIVATIONS:
            known = ", ".join(known.__name__ for known in _ACTIVATIONS)
            raise NaruError(
                f"cannot export a Dense module with {activation.__name__}; expected one of {known}"
            )
        self._constant(f"{name}.weight", module.linear.weight.detach().numpy())
        inputs = [self._last, f"{name}.weight"]
        if module.bias:
            self._constant(f"{name}.bias", module.linear.bias.detach().numpy())
            inputs.append(f"{name}.bias")
        self._add("Gemm", inputs, transB=1)
        if operator := _ACTIVATIONS[activation]:
            self._add(operator, [self._last])

    def normalise(self) -> None:
        vectors = self._last
        self._add("ReduceL2", [vectors, "head.axis1"], keepdims=1)
        self._add("Max", [self._last, "head.least"])
        self._add("Div", [vectors, self._last])

    def _constant(self, name: str, values: npt.NDArray[np.generic]) -> None:
        self._graph.initializer.append(from_array(values, name))

    def _add(self, op: str, inputs: list[str], **attributes: Any) -> str:
        self._last = f"head.{len(self._graph.node)}"
        self._graph.node.append(make_node(op, inputs, [self._last], **attributes))
        return self._last
