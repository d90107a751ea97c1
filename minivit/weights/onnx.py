"""The weights of an ONNX file under the names they had in PyTorch. Only the weights: nothing of the graph is run.

An exporter that transposes or computes a weight gives it a name of its own, "onnx::MatMul_1966". The node that uses it
still bears its module's, "/backbone/encoder/layer.0/attention/attention/key/MatMul".
"""

import math
import os
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy as np

from .protobuf import Span
from .tensor import BFLOAT16, Tensor, item_size, raw_tensor, unique

# Field numbers of onnx.proto.
MODEL_GRAPH = 7
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_INPUT = 1, 5, 11
NODE_INPUT, NODE_NAME, NODE_OP = 1, 3, 4
TENSOR_DIMS, TENSOR_TYPE, TENSOR_FLOATS, TENSOR_NAME, TENSOR_RAW, TENSOR_EXTERNAL = 1, 2, 4, 8, 9, 13
DTYPES = {1: "float32", 10: "float16", 11: "float64", 16: BFLOAT16}
# A model that resizes its positions has them in two parts: the class token's is put back in front by a Concat.
POSITIONS = {"Add": "position_embeddings", "Concat": "position_embeddings.class", "Reshape": "position_embeddings.grid"}

LIMIT = 100_000  # nodes and initializers; DINOv2's largest has 5,000. Each costs memory, and two bytes in a file.


@dataclass
class Node:
    op: str = ""
    name: str = ""
    inputs: list[str] = field(default_factory=list)

    @property
    def scope(self) -> str:
        """ "/backbone/encoder/layer.0/mlp/fc1/MatMul" -> "backbone.encoder.layer.0.mlp.fc1"."""
        return self.name.rpartition("/")[0].strip("/").replace("/", ".")


def read_onnx(path: str | os.PathLike) -> tuple[dict[str, Tensor], tuple[int, int] | None]:
    """The weights by name, unread, and the (height, width) of the images that the graph takes, where it is made for one
    size. Raises ValueError, naming what is wrong, for a damaged file or another format."""
    with open(path, "rb") as file:
        try:
            nodes, tensors, dims = _read_graph(path, file)
        except ValueError as error:
            raise ValueError(f"{path} is not a complete ONNX file: {error}") from error
    for node in nodes:
        _rename(node, tensors)
    return tensors, dims[2:] if len(dims) == 4 and dims[2] > 0 and dims[3] > 0 else None


def _read_graph(path: str | os.PathLike, file: BinaryIO) -> tuple[list[Node], dict[str, Tensor], tuple[int, ...]]:
    """Nodes, initializers, and the shape of the first input."""
    graphs = [value for number, value in Span(file, 0, os.path.getsize(path)).fields() if number == MODEL_GRAPH]
    if len(graphs) != 1 or not isinstance(graphs[0], Span):
        raise ValueError(f"it has {len(graphs)} graphs, expected one")
    fields = [(n, v) for n, v in islice(graphs[0].fields(), LIMIT) if isinstance(v, Span)]
    if len(fields) == LIMIT:
        raise ValueError(f"its graph has more than {LIMIT:,} nodes and tensors")
    nodes = [_node(value) for number, value in fields if number == GRAPH_NODE]
    tensors = unique(_tensor(path, value) for number, value in fields if number == GRAPH_INITIALIZER)
    inputs = [value for number, value in fields if number == GRAPH_INPUT]
    return nodes, tensors, _input_shape(inputs[0]) if inputs else ()


def _node(span: Span) -> Node:
    node = Node()
    for number, value in span.fields():
        if number == NODE_INPUT:
            node.inputs.append(_spanned(value).text())
        elif number == NODE_NAME:
            node.name = _spanned(value).text()
        elif number == NODE_OP:
            node.op = _spanned(value).text()
    return node


def _tensor(path: str | os.PathLike, span: Span) -> tuple[str, Tensor]:
    name, shape, code, numbers = "", [], 0, None
    for number, value in span.fields():
        if number == TENSOR_DIMS:
            shape += [value] if isinstance(value, int) else list(islice(value.varints(), 64))
        elif number == TENSOR_TYPE:
            code = value
        elif number == TENSOR_NAME:
            name = _spanned(value).text()
        elif number in (TENSOR_RAW, TENSOR_FLOATS):
            numbers = _spanned(value)
        elif number == TENSOR_EXTERNAL:
            raise ValueError(f"{name or 'a tensor'} lies in another file, expected all weights in this one")
    if code not in DTYPES:  # shapes and the like, which may lie in fields of their own
        return name, Tensor(tuple(shape), "something else than floats", _no_numbers)
    size = math.prod(shape) * item_size(DTYPES[code])
    given = 0 if numbers is None else numbers.end - numbers.begin
    if given != size or len(shape) > 16:
        raise ValueError(f"{name} has {given:,} bytes, too many or too few for {DTYPES[code]} {shape!r:.100}")
    return name, raw_tensor(path, numbers.begin if numbers else 0, tuple(shape), DTYPES[code])


def _no_numbers() -> np.ndarray:
    raise ValueError("only floating-point tensors are read from an ONNX file")


def _input_shape(span: Span) -> tuple[int, ...]:
    """ValueInfoProto.type.tensor_type.shape: 0 for a side that the graph leaves open."""
    for number in (2, 1, 2):
        inside = [value for n, value in span.fields() if n == number and isinstance(value, Span)]
        if not inside:
            return ()
        span = inside[0]
    dims = [value for number, value in islice(span.fields(), 16) if number == 1]
    return tuple(next((v for n, v in _spanned(dim).fields() if n == 1 and isinstance(v, int)), 0) for dim in dims)


def _spanned(value: "int | Span") -> Span:
    if not isinstance(value, Span):
        raise ValueError(f"a field holds the number {value}, expected a text, numbers or a message")
    return value


def _rename(node: Node, tensors: dict[str, Tensor]) -> None:
    """Give the nameless weights that this node uses the names they had in PyTorch, and PyTorch's (out, in)."""
    for name in node.inputs:
        if not name.startswith("onnx::") or name not in tensors:
            continue
        if node.op == "MatMul" and len(tensors[name].shape) == 2:
            tensors[f"{node.scope}.weight"] = tensors.pop(name).T
        elif node.op in POSITIONS and node.scope.endswith("embeddings") and len(tensors[name].shape) == 3:
            tensors[f"{node.scope}.{POSITIONS[node.op]}"] = tensors.pop(name)
