"""The whole forward, one array after the other: its name, its shape, and the lines of source that made it."""

import ast
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import layers, ops
from ..layers import Arrays, Chain, Layer, Let, Op, Residual, Value
from ..model import Classifier
from .views import layers_of

PACKAGE = Path(__file__).parents[1]
SUM = "x + branch(x)"  # what a Residual does, as an operation would be called


class Step(NamedTuple):
    """An array, and where it comes from."""

    op: str  # the operation's name, or SUM
    reads: str  # the parameters that it reads, a dot for what two names share
    array: np.ndarray


class Source(NamedTuple):
    """The lines that make an array."""

    file: str  # as in the repository
    line: int  # of the first one
    code: str


def walk(model: Classifier, image: np.ndarray) -> list[Step]:
    """raw image (1, height, width, 1) -> every array from the pixels that the model takes to the probabilities."""
    whole, x = layers_of(model), model.checked(model.normalize(image))
    steps = [Step("normalize", "", x)]
    logits = _through(whole, model.device.ops, model.arrays(whole), x, steps)
    if logits.ndim == 3:
        logits = logits.mean(axis=1)  # a distilled model's two heads
    return [*steps, Step("softmax", "", ops.softmax_forward(logits)[0])]


def _through(layer: Layer, ops_: Any, p: Arrays, x: np.ndarray, steps: list[Step]) -> np.ndarray:
    """A layer's y, and a step for each array on the way to it."""
    if isinstance(layer, Chain):
        for part in layer.parts:
            x = _through(part, ops_, p, x, steps)
        return x
    if isinstance(layer, Residual):
        y = _through(layer.shortcut, ops_, p, x, steps) + _through(layer.branch, ops_, p, x, steps)
        steps.append(Step(SUM, "", y))
        return y
    if isinstance(layer, Let):
        value = _through(layer.value, ops_, p, x, steps)
        return _through(layer.body, ops_, p | {layer.name: value}, x, steps)
    if isinstance(layer, Value):
        return p[layer.reads[0]]  # a parameter as it is
    if isinstance(layer, Op) and layer.op == "self_attention":
        bias = layer.reads[0] and p[layer.reads[0]]
        weights = ops_.self_attention_weights(x, bias, layer.options["heads"])
        steps.append(Step("attention_weights", "", weights))
    y = layer(ops_, p, x)
    op = layer.op if isinstance(layer, Op) else type(layer).__name__
    steps.append(Step(op, _short_names(getattr(layer, "reads", ())), y))
    return y


def _short_names(reads: tuple[str | None, ...]) -> str:
    """("head.weight", "head.bias") -> "head.weight, .bias"."""
    names = [name for name in reads if name]
    stem = names[0].rpartition(".")[0] if names else ""
    rest = (name.removeprefix(stem) if stem and name.startswith(f"{stem}.") else name for name in names[1:])
    return ", ".join([*names[:1], *rest])


def source_of(op: str) -> Source | None:
    """Where an operation of a walk is computed; None for a layer without one."""
    made: dict[str, Callable] = {SUM: Residual.forward, "attention_weights": ops.attention_weights}
    made["normalize"] = inspect.unwrap(Classifier.normalize)
    layer = getattr(layers, op, None)  # Fork and its like
    function = made.get(op) or getattr(ops, f"{op}_forward", None) or getattr(layer, "forward", None)
    return None if function is None else _body(function)


def _body(function: Callable) -> Source:
    """A function's own lines, without its head and docstring."""
    lines, first = inspect.getsourcelines(function)
    (tree,) = ast.parse(textwrap.dedent("".join(lines))).body
    body = tree.body[1:] if ast.get_docstring(tree) else tree.body
    start, end = body[0].lineno - 1, body[-1].end_lineno
    file = Path(inspect.getsourcefile(function)).relative_to(PACKAGE.parent).as_posix()
    return Source(file, first + start, textwrap.dedent("".join(lines[start:end])))


def picture_of(array: np.ndarray) -> np.ndarray:
    """Any array of one image as a matrix to draw: tokens × numbers, places × channels, heads side by side."""
    array = array[0] if array.ndim > 1 and len(array) == 1 else array
    if array.ndim == 3 and array.shape[-1] == 1:
        array = array[..., 0]  # a grey picture
    elif array.ndim == 3 and array.shape[0] <= 16 and array.shape[1] == array.shape[2]:
        array = np.concatenate(list(array), axis=1)  # (H, N, N): a map a head
    return array.reshape(-1, array.shape[-1]) if array.ndim != 1 else array[None]
