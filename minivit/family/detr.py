"""DETR: a transformer that says a set of boxes, all at once, with no anchors and nothing to suppress (Carion et al.,
arXiv 2005.12872).

    m = map W + b                                     the backbone's last map as tokens (B, N, D), p their sines
    x = LN(x + A(q = x + p, k = x + p, v = x)),   x = LN(x + MLP(x))                            encoder
    y = 0, e the learned queries:   y = LN(y + A(y + e, y + e, y)),                             decoder
    y = LN(y + A(q = y + e, k = x + p, v = x)),   y = LN(y + MLP(y))
    logits = LN(y) W + b,   box = sigmoid(MLP(LN(y)))                                           heads, of every layer

Places are added to what asks and to what is asked for, never to what is taken. The last norm is the heads' alone: the
next layer reads y as it is. The names are the authors', the loss is set_loss.py. Next: detector.py, what one asks of
it.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from .. import ops
from ..layers import Arrays, Chain, Each, Layer, Let, Op, Parameter, Residual, Steps, Together, Value
from ..layers.parts import dense, drop, norm
from ..model.attention_maps import attention_maps
from ..model.checks import positive_int, put, put_float
from ..model.sizes import size_by_name
from .backbone import backbone, map_widths
from .criterion import Criterion, Weights
from .detector import Detector, Images, Pair
from .detector_config import DetectorConfig
from .detector_parts import box_mlp, cross_attention, mlp, self_attention, usual
from .detr_sizes import SIZES

POSITIONS, KEY_MASK, START = "positions", "key_mask", "start"  # given with the images, beside the parameters
MEMORY = "memory"  # what the encoder leaves


@dataclass(frozen=True)
class DETRConfig(DetectorConfig):
    """The architecture of a DETR, which looks at a single map.

    (and what is in DetectorConfig)

    encoder_depth      layers of the encoder
    decoder_depth      layers of the decoder, each of which answers
    attention_dropout  rate in [0, 1), of the attention weights
    norm_eps           ε of LayerNorm, added to the variance
    no_object          weight in the loss of a query that is to find nothing
    """

    encoder_depth: int = 6
    decoder_depth: int = 6
    attention_dropout: float = 0.1
    norm_eps: float = 1e-5
    no_object: float = 0.1

    CRITERION: ClassVar[Criterion] = Criterion("softmax")
    HUGGING_FACE: ClassVar[Weights] = (1.0, 5.0, 2.0)  # the original's

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "DETRConfig":
        """A published model's configuration, with `changes`: DETR-R50, DETR-DC5-R50, DETR-R101 or DETR-DC5-R101; or
        "DETR-digits", which minutes on a CPU train."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        super().__post_init__()
        put(self, positive_int, "decoder_depth")
        put(self, lambda name, value: value if value == 0 else positive_int(name, value), "encoder_depth")
        put_float(self, "a rate in [0, 1)", lambda rate: 0 <= rate < 1, "attention_dropout")
        put_float(self, "a positive number", lambda value: value > 0, "norm_eps", "no_object")
        if len(self.stages) != 1:
            raise ValueError(f"stages is {self.stages}, expected one: DETR looks at a single map")
        if self.width % 4:
            raise ValueError(f"width {self.width} is not a multiple of 4: its positions are sines and cosines, y and x")

    @property
    def criterion(self) -> Criterion:
        """What its loss is made of."""
        return replace(super().criterion, no_object=self.no_object)

    @property
    def parts(self) -> int:
        """Layers and units: each has parameters of its own."""
        return self.encoder_depth + self.decoder_depth + self.backbone_parts

    @property
    def summary(self) -> str:
        layers = f"{self.encoder_depth} + {self.decoder_depth} layers {self.width} wide"
        return f"{self.queries} queries, {layers}, {self.sees_with}"


def detr(config: DETRConfig) -> Chain:
    """images (B, height, width, C) -> of every layer logits (L, B, Q, K + 1) and boxes (L, B, Q, 4)."""
    return Chain(backbone(config), states(config), heads(config))


def states(config: DETRConfig) -> Let:
    """The backbone's map, in a list -> what the heads see of every layer, (L, B, Q, D)."""
    (C,), D = map_widths(config), config.width
    encoder = Chain(
        Each(dense("input_proj", C, D, std=usual(C))),
        Op("flatten_levels"),  # (B, N, D)
        *(encoder_layer(config, f"transformer.encoder.layers.{i}") for i in range(config.encoder_depth)),
    )
    layers = (decoder_layer(config, f"transformer.decoder.layers.{i}") for i in range(config.decoder_depth))
    return Let(
        MEMORY,
        encoder,
        Value(START, held=True),  # zeros (B, Q, D)
        Steps(*layers),
        Op("stack"),  # (L, B, Q, D)
        norm("transformer.decoder.norm", D, config.norm_eps),
    )


def encoder_layer(config: DETRConfig, name: str) -> Chain:
    """x = LN(x + A(x + p, x + p, x)),   LN(x + MLP(x)): nobody looks at what is padded.   (B, N, D) -> (B, N, D)"""
    D, eps, end = config.width, config.norm_eps, drop(config.dropout)
    places, rate = Op("add_fixed_position", POSITIONS), config.attention_dropout
    return Chain(
        Residual(self_attention(config, f"{name}.self_attn", places, KEY_MASK, rate), *end),
        norm(f"{name}.norm1", D, eps),
        Residual(mlp(config, name), *end),
        norm(f"{name}.norm2", D, eps),
    )


def decoder_layer(config: DETRConfig, name: str) -> Chain:
    """y = LN(y + A(y + e, y + e, y)),   y = LN(y + A(y + e, x + p, x)),   LN(y + MLP(y)).   (B, Q, D) -> (B, Q, D)"""
    D, eps, end = config.width, config.norm_eps, drop(config.dropout)
    queries = Op("add_first_rows", Parameter("query_embed.weight", (config.queries, D), std=1.0))
    places, rate = Op("add_fixed_position", POSITIONS), config.attention_dropout
    look = cross_attention(config, f"{name}.multihead_attn", queries, MEMORY, places, KEY_MASK, rate)
    return Chain(
        Residual(self_attention(config, f"{name}.self_attn", queries, dropout=rate), *end),
        norm(f"{name}.norm1", D, eps),
        Residual(look, *end),
        norm(f"{name}.norm2", D, eps),
        Residual(mlp(config, name), *end),
        norm(f"{name}.norm3", D, eps),
    )


def heads(config: DETRConfig) -> Layer:
    """(L, B, Q, D) -> logits (L, B, Q, K + 1), the last of which is "no object", and boxes (L, B, Q, 4)."""
    D = config.width
    return Together(
        dense("class_embed", D, config.classes + 1, std=usual(D)),
        Chain(box_mlp("bbox_embed", D), Op("sigmoid")),
    )


class DETR(Detector[DETRConfig]):
    """A DETR: `logits, boxes = model(images, mask)`. Its arguments are a ViT's, what it is asked is in detector.py."""

    Config = DETRConfig
    describe = staticmethod(detr)

    def given(self, sizes: list[Pair], mask: np.ndarray) -> Arrays:
        """The places' sines, what keeps all from looking at padding, and the zeros that the decoder starts with."""
        at = ops.resize_mask(mask, sizes[0])
        whole = bool(at.all())
        return {
            POSITIONS: ops.sine_positions(at[:1] if whole else at, self.config.width),
            KEY_MASK: None if whole else ops.key_mask(at.reshape(len(at), -1), self.dtype),
            START: np.zeros((len(at), self.config.queries, self.config.width)),
        }

    def features(self, images: Images, mask: np.ndarray | None = None) -> np.ndarray:
        """What the heads see of the last layer, a vector a query: (B, Q, D)."""
        return self.run_on(Chain(*self.layers.parts[:2]), images, mask)[-1]

    def attention(self, images: Images, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Where the heads look, rows sum to 1: "encoder" (L, B, H, N, N), the map's places at each other; "queries"
        (L, B, H, Q, Q), at each other; "decoder" (L, B, H, Q, N), the queries at the map, in reading order."""
        images, named = self.looked_at(images, mask)
        layers, depth = Chain(*self.layers.parts[:2]), self.config.encoder_depth
        maps = attention_maps(self.device.ops, self.arrays(layers) | named, layers, images)
        maps = [self.device.to_numpy(weights) for weights in maps]
        parts = {"encoder": maps[:depth], "queries": maps[depth::2], "decoder": maps[depth + 1 :: 2]}
        return {name: np.stack(of_layers) for name, of_layers in parts.items() if of_layers}
