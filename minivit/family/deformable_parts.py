"""The parts that Deformable DETR is described with, beside detector_parts.py: attention to a few places, what continues
the backbone's maps, heads, and what a function makes of a value through which no gradient goes."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..layers import Arrays, Chain, Each, Layer, Let, Op, Parameter, Steps, Value
from ..layers.layer import Rng, add, both
from ..layers.maps import group_norm
from ..layers.parts import dense
from ..layers.table import Shown
from .detector_parts import usual, xavier

MASK, SHAPES, RATIOS = "mask", "level_shapes", "valid_ratios"  # given with the images, beside the parameters
GROUP_NORM_EPS = 1e-5
RARE = -math.log(99)  # the bias of classes: before it has learned, a query has each of them with .01


def deformable_attention(config: Any, name: str, places: Layer, reference: str, memory: str | None = None) -> Let:
    """x says where to look, and how much that counts; what it finds there is mixed.   (B, Q, D) -> (B, Q, D)

    places: the layer that adds to x where it is; reference: the name of the points or boxes (B, Q, 2 or 4) around which
    it looks; memory: the name of what it looks at, (B, S, D), the cells of all maps; x itself if not given.
    """
    D, H, L, P = config.width, config.heads, config.levels, config.points
    offsets, weights = (f"{name}.{part}" for part in ("locations", "weights"))
    by_level = Chain(Value(reference), Op("level_references", RATIOS))
    locate = Chain(
        places,
        sampling_offsets(f"{name}.sampling_offsets", D, H, L, P),
        Op("sampling_locations", f"{name}.references", SHAPES, heads=H),  # (B, Q, H, L, P, 2)
    )
    weigh = Chain(
        places,
        dense(f"{name}.attention_weights", D, H * L * P, std=0.0),
        Op("point_weights", levels=L, heads=H),  # (B, Q, H, L, P)
    )
    look = Chain(
        *([] if memory is None else [Value(memory)]),
        dense(f"{name}.value_proj", D, D, std=xavier(D, D)),
        Op("mask_tokens", MASK),
        Op("deformable_attention", offsets, weights, SHAPES),
        dense(f"{name}.output_proj", D, D, std=xavier(D, D)),
    )
    return Let(offsets, Let(f"{name}.references", by_level, locate), Let(weights, weigh, look))


def sampling_offsets(name: str, D: int, H: int, L: int, P: int) -> Op:
    """(B, Q, D) -> (B, Q, H·L·P·2). It starts as a bias alone: the heads look in H directions, their P points at one,
    two, … cells from the reference, on a square around it."""

    def start() -> np.ndarray:
        angles = np.arange(H) * (2 * math.pi / H)
        ways = np.stack((np.cos(angles), np.sin(angles)), axis=-1)  # (H, 2)
        ways /= abs(ways).max(axis=-1, keepdims=True)
        distance = np.arange(1, P + 1)[:, None]
        return np.broadcast_to(ways[:, None, None] * distance, (H, L, P, 2)).reshape(-1)

    bias = Parameter(f"{name}.bias", (H * L * P * 2,), start=start)
    return Op("linear", Parameter(f"{name}.weight", (D, H * L * P * 2)), bias)


def level(name: str, n_in: int, D: int, groups: int, kernel: int = 1) -> Chain:
    """A map at the transformer's width, (B, h, w, in) -> (B, h, w, D), or with a kernel of 3 of half the size; and its
    GroupNorm."""
    std = xavier(kernel * kernel * n_in, kernel * kernel * D)
    norm = group_norm(f"{name}.1", D, groups, GROUP_NORM_EPS)
    if kernel == 1:
        return Chain(dense(f"{name}.0", n_in, D, std=std), norm)
    weight = Parameter(f"{name}.0.weight", (kernel, kernel, n_in, D), std=std)
    bias = Op("add_bias", Parameter(f"{name}.0.bias", (D,)))
    return Chain(Op("convolution", weight, stride=2, padding=kernel // 2), bias, norm)


def classes(config: Any, i: int) -> Op:
    """(..., D) -> logits (..., K)."""
    D, K, name = config.width, config.classes, f"class_embed.{i}"
    return Op("linear", Parameter(f"{name}.weight", (D, K), std=usual(D)), Parameter(f"{name}.bias", (K,), mean=RARE))


def box_mlp(config: Any, i: int) -> Chain:
    """(..., D) -> (..., 4), how far a box is from its reference, which starts with no move, and with a size if nothing
    else has told one."""
    D, name = config.width, f"bbox_embed.{i}.layers"
    first, second = (dense(f"{name}.{k}", D, D, std=usual(D)) for k in (0, 1))
    size = 0.0 if config.two_stage or (config.refine and i) else config.box_start
    bias = Parameter(f"{name}.2.bias", (4,), start=lambda: np.array((0.0, 0.0, size, size)))
    return Chain(first, Op("relu"), second, Op("relu"), Op("linear", Parameter(f"{name}.2.weight", (D, 4)), bias))


class Continued(Shown):
    """Maps, and more of them: y = [a(x₁), …, b(x_L), c(x_L), d(c(x_L)), …], each of the latter made of the one before,
    the first of them of the last x. So that one has a gradient from two sides."""

    def __init__(self, own: Each, more: Steps) -> None:
        self.own, self.more = own, more
        self.parts = (own, more)
        self.parameters = own.parameters + more.parameters

    def forward(self, ops: Any, p: Arrays, xs: list[np.ndarray], rng: Rng = None) -> tuple[list[np.ndarray], tuple]:
        own, own_cache = self.own.forward(ops, p, xs, rng)
        more, more_cache = self.more.forward(ops, p, xs[-1], rng)
        return own + more, (own_cache, more_cache)

    def backward(self, ops: Any, dys: list[np.ndarray], cache: tuple) -> tuple[list[np.ndarray], Arrays]:
        count = len(self.own.parts)
        dxs, grads = self.own.backward(ops, dys[:count], cache[0])
        dlast, more = self.more.backward(ops, dys[count:], cache[1])
        return [*dxs[:-1], dxs[-1] + dlast], add(grads, more)

    def __call__(self, ops: Any, p: Arrays, xs: list[np.ndarray]) -> list[np.ndarray]:
        return self.own(ops, p, xs) + self.more(ops, p, xs[-1])


class Beside(Shown):
    """y = (*a(x), *b(x)): what two layers say that both say several things."""

    def __init__(self, first: Layer, second: Layer) -> None:
        self.parts = (first, second)
        self.parameters = first.parameters + second.parameters

    def forward(self, ops: Any, p: Arrays, x: Any, rng: Rng = None) -> tuple[tuple, tuple]:
        (first, first_cache), (second, second_cache) = (layer.forward(ops, p, x, rng) for layer in self.parts)
        return (*first, *second), (first_cache, second_cache, len(first))

    def backward(self, ops: Any, dy: tuple, cache: tuple) -> tuple[Any, Arrays]:
        *caches, count = cache
        first, second = self.parts
        dx, grads = second.backward(ops, dy[count:], caches[1])
        dmore, more = first.backward(ops, dy[:count], caches[0])
        return both(dx, dmore), add(grads, more)

    def __call__(self, ops: Any, p: Arrays, x: Any) -> tuple:
        return tuple(said for layer in self.parts for said in layer(ops, p, x))


class Made:
    """y = make(p[name]), whatever x is: made of a value that is held, so that no gradient goes back to it."""

    parameters, parts = (), ()

    def __init__(self, name: str, make: Callable[[Any], np.ndarray]) -> None:
        self.reads, self.make = (name,), make

    def forward(self, ops: Any, p: Arrays, x: Any, rng: Rng = None) -> tuple[np.ndarray, None]:
        return self(ops, p, x), None

    def backward(self, ops: Any, dy: np.ndarray, cache: None) -> tuple[None, Arrays]:
        return None, {}

    def __call__(self, ops: Any, p: Arrays, x: Any) -> np.ndarray:
        return ops.detached(self.make(p[self.reads[0]]))

    def __repr__(self) -> str:
        return f"Made({self.reads[0]})"
