"""Looking inside: a namespace of operations that compute as usual, and note what some of them were given."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import ops as reference
from ..layers import Arrays, Layer


def noting(ops: Any, **notes: Callable[..., object]) -> SimpleNamespace:
    """`ops`, but that each operation named in `notes` hands its arguments to that function first:
    noting(ops, pool_forward=print)."""

    def noted(name: str, note: Callable[..., object]) -> Callable:
        operation = getattr(ops, name)

        def both(*arguments: object, **options: object) -> Any:
            note(*arguments, **options)
            return operation(*arguments, **options)

        return both

    same = {name: getattr(ops, name) for name in reference.__all__}
    return SimpleNamespace(**same | {name: noted(name, note) for name, note in notes.items()})


def attention_maps(ops: Any, p: Arrays, layers: Layer, images: np.ndarray) -> list[np.ndarray]:
    """Where the heads of each attention look, in the order in which they come: a self-attention's (B, H, N, N), along
    the lines of a grid with 0 off the line; a cross attention's (B, H, Nq, Nk)."""
    maps: list[np.ndarray] = []
    around: dict[str, Any] = {}  # the lines that come next, if any

    def attention(qkv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1, **_: object) -> None:
        weights = ops.self_attention_weights(qkv, bias, heads)
        maps.append(off_lines(weights, **around) if around else weights)

    def cross_attention(
        q: np.ndarray, kv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1, **_: object
    ) -> None:
        maps.append(ops.cross_attention_weights(q, kv, bias, heads))

    def lines(x: np.ndarray, **where: object) -> None:
        around.update(where)

    notes = dict(self_attention_forward=attention, cross_attention_forward=cross_attention, lines_forward=lines)
    layers(noting(ops, **notes), p, images)
    return maps


def off_lines(weights: np.ndarray, grid: tuple[int, int], along: str) -> np.ndarray:
    """Attention within the rows or columns of a grid, (B·lines, H, n, n) -> (B, H, N, N) with 0 off the line."""
    gh, gw = grid
    lines, H = (gh if along == "row" else gw), weights.shape[1]
    by_line = weights.reshape(-1, lines, *weights.shape[1:])
    full = np.zeros_like(weights, shape=(len(by_line), H, gh, gw, gh, gw))
    for i in range(lines):
        line = (i, slice(None), i, slice(None)) if along == "row" else (slice(None), i, slice(None), i)
        full[(slice(None), slice(None), *line)] = by_line[:, i]
    return full.reshape(len(by_line), H, gh * gw, gh * gw)
