"""What proof.py checks of layers/: the joints, and the parts that models are made of, held as any operation is.

A layer becomes a pair of functions of x and its parameters, in the order in which it declares them.
"""

from collections.abc import Callable

import numpy as np

from .. import ops
from ..family.detector_parts import cross_attention, self_attention
from ..family.detr import DETRConfig
from ..layers import Arrays, Chain, Each, Fork, Layer, Let, Op, Parameter, Residual, Steps, Value
from ..layers.maps import batch_norm
from ..layers.parts import attention, branch_end, dense, first_attention, mlp, norm
from ..model.resnet import EPS, convolution
from ..model.variants import axial_block, relative_bias, swiglu
from .models import CONFIGS
from .operations import noise

TOKENS = (2, 5, 6)  # (B, N, D)


def trained(layer: Layer) -> dict[str, tuple[int, ...]]:
    """The names and shapes that a layer has gradients for."""
    return {p.name: p.shape for p in layer.parameters if not (p.fixed or p.buffer)}


def as_pair(layer: Layer) -> tuple[Callable, Callable]:
    """y, cache = forward(x, *parameters) and dx, *gradients = backward(dy, cache), once for a cache."""
    names = list(trained(layer))
    constants: Arrays = {p.name: p.fixed() for p in layer.parameters if p.fixed}
    constants |= {p.name: np.full(p.shape, p.mean) for p in layer.parameters if p.buffer}

    def forward(x: np.ndarray, *parameters: np.ndarray) -> tuple:
        return layer.forward(ops, constants | dict(zip(names, parameters, strict=True)), x, noise())

    def backward(dy: np.ndarray, cache: object) -> tuple[np.ndarray, ...]:
        dx, grads = layer.backward(ops, dy, cache)
        return dx, *(grads[name] for name in names)

    return forward, backward


RELATIVE = CONFIGS["relative"]  # 7 tokens of width 6, 2 heads
RELATIVE_TOKENS = (2, RELATIVE.tokens, 6)

MEMORY = dense("kv", 6, 12, bias=False)  # keys and values (B, N, 2D); a bias of keys would have no gradient
LOOK = Op("cross_attention", "memory", heads=2)
ASK = Chain(Op("tokens", start=1, stop=3), dense("q", 6, 6), LOOK)  # two of the tokens do
FIRST, SECOND = Chain(Op("tokens", stop=2), dense("w", 6, 4)), Chain(Op("tokens", start=1, stop=3), dense("fc", 6, 4))
# Two layers read what is let outside, and one of them to let something itself; two read gamma and beta.
OUTER = Chain(Value(Parameter("position", (1, 5, 6))), norm("norm", 6))
INNER = Let("inner", Chain(Value("outer"), Op("tanh")), Op("add_position", "inner"), Op("add_position", "outer"))

# What stands in a chain, and what is kept of it: two maps, each with a layer of its own, as tokens.
WAY = Steps(dense("a", 6, 6), Op("tanh"), dense("b", 6, 4), dense("c", 4, 4), keep=(1, 2))
LEVELS = Chain(WAY, Each(dense("first", 6, 2), Chain(dense("second", 4, 2), Op("tanh"))), Op("flatten_levels"))
DETECTOR = DETRConfig(width=8, heads=2)
PLACES, OTHER_PLACES = (Op("add_first_rows", Parameter(name, (5, 8))) for name in ("places", "other_places"))

# The joint or the part, and the option; the layer, and the shape of x.
JOINTS: dict[str, tuple[Layer, tuple[int, ...]]] = {
    "Op": (dense("fc", 6, 4), TOKENS),
    "Op, one name twice": (Let("row", Op("tokens", stop=1), Op("prepend", "row", "row")), (1, 3, 4)),
    "Chain": (Chain(dense("fc", 6, 6), Op("tanh"), norm("norm", 6)), TOKENS),
    "Chain, one weight twice": (Chain(dense("fc", 6, 6), Op("tanh"), dense("fc", 6, 6)), TOKENS),
    "Residual": (Residual(dense("fc", 6, 6), Op("tanh")), TOKENS),
    "Residual, shortcut": (Residual(SECOND, shortcut=FIRST), TOKENS),
    "Residual, one weight on both ways": (Residual(dense("fc", 6, 4), Op("tanh"), shortcut=dense("fc", 6, 4)), TOKENS),
    "Let": (Let("memory", MEMORY, ASK), TOKENS),
    "Let, read twice": (Let("memory", MEMORY, ASK, Residual(LOOK)), TOKENS),
    "Let, one in another": (Let("outer", OUTER, INNER, norm("norm", 6)), TOKENS),
    "Value": (Let("memory", MEMORY, Value(Parameter("queries", (2, 3, 6))), LOOK), TOKENS),
    "Fork": (Fork(dense("a", 6, 2), Chain(dense("b", 6, 3), Op("tanh")), dense("c", 6, 4)), TOKENS),
    "Fork, tokens, one weight twice": (Fork(dense("a", 6, 3), Chain(Op("tanh"), dense("a", 6, 3)), axis=1), TOKENS),
    "Steps": (Chain(Steps(dense("fc", 6, 6), Chain(Op("tanh"), dense("fc", 6, 6))), Op("stack")), TOKENS),
    "Steps, some kept, Each": (LEVELS, (2, 2, 3, 6)),
    "attention": (attention("attn", 6, 2), TOKENS),
    "attention, dropout, no bias": (attention("attn", 6, 3, qkv_bias=False, dropout=0.3), TOKENS),
    "attention, relative": (attention("attn", 6, 2, bias=relative_bias(RELATIVE, "attn")), RELATIVE_TOKENS),
    "first_attention": (first_attention("attn", 6, 3, count=2), TOKENS),
    "first_attention, dropout, no bias": (first_attention("attn", 6, 2, 1, qkv_bias=False, dropout=0.3), TOKENS),
    "first_attention, relative": (
        first_attention("attn", 6, 2, count=2, bias=relative_bias(RELATIVE, "attn", read=2)),
        RELATIVE_TOKENS,
    ),
    "attention with places": (self_attention(DETECTOR, "attn", PLACES), (2, 5, 8)),
    "attention with places, dropout": (self_attention(DETECTOR, "attn", PLACES, dropout=0.3), (2, 5, 8)),
    "attention with places, from others": (
        Let("memory", dense("fc", 8, 8), cross_attention(DETECTOR, "attn", PLACES, "memory", OTHER_PLACES)),
        (2, 5, 8),
    ),
    "batch_norm": (batch_norm("bn", 6), TOKENS),
    "mlp": (mlp("mlp", 6, 4), TOKENS),
    "mlp, tanh, dropout": (mlp("mlp", 6, 4, "tanh", dropout=0.3), TOKENS),
    "swiglu": (swiglu("mlp", 6, 4), TOKENS),
    "swiglu, dropout": (swiglu("mlp", 6, 4, dropout=0.3), TOKENS),
    "branch_end": (Chain(*branch_end("ls", 6, scale=0.1, dropout=0.3, drop_path=0.4)), (4, 3, 6)),
    "axial_block": (Chain(*axial_block(CONFIGS["axial"], "block", lambda _: [])), (2, 6, 6)),
    "convolution of a stem": (convolution("unit", "1", 3, 2, 3, EPS["google"], stride=2), (2, 5, 4, 2)),
}
