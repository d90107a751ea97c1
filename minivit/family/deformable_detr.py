"""Deformable DETR: a DETR whose tokens look at a few places of several maps, and so learns ten times as fast (Zhu et
al., arXiv 2010.04159).

    m = the backbone's maps, each W + b and GroupNorm, as tokens (B, S, D); p their sines and their map's row    memory
    x = LN(x + A(x + p, its cell, x)),   x = LN(x + MLP(x))                                                      encoder
    [e | y] the learned queries, r = sigmoid(e W + b) a point for each                                           decoder
    y = LN(y + MSA(y + e, y + e, y)),   y = LN(y + A(y + e, r, x)),   y = LN(y + MLP(y))
    logits = y W + b,   box = sigmoid(MLP(y) + sigmoid⁻¹(r))                                    heads, of every layer

A(q, r, v): q says where around r to look at v, ops/deformable_attention.py. With `refine` each layer has heads of its
own, and its boxes are the next layer's r. With `two_stage` r, e and y come from the best boxes that the memory's own
tokens propose. The names are the authors'. Next: detector.py, what one asks of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import ops
from ..layers import Arrays, Chain, Each, Layer, Let, Op, Parameter, Residual, Steps, Together, Value
from ..layers.parts import dense, drop, norm
from ..model.attention_maps import attention_maps, noting
from ..model.checks import one_of, positive_int, put, put_float, truth, whole_number
from ..model.sizes import size_by_name
from ..model.targets import Target
from .backbone import backbone, map_widths
from .criterion import Criterion, Divisor, Weights
from .deformable_parts import (
    MASK,
    RATIOS,
    SHAPES,
    Beside,
    Continued,
    Made,
    box_mlp,
    classes,
    deformable_attention,
    level,
)
from .deformable_sizes import SIZES
from .detector import Detector, Images, Pair
from .detector_config import DetectorConfig
from .detector_parts import mlp, self_attention, xavier
from .iterated import BOXES, Iterated
from .set_loss import set_loss

# Given with the images, beside the parameters; MASK, RATIOS and SHAPES are, too.
POSITIONS, CENTRES, ANCHORS, VALID, START = "positions", "centres", "anchors", "valid", "start"
MEMORY, PLACES, QUERIES, EMBED = "memory", "places", "queries", "embed"  # let: what the encoder leaves, p, [e | y], e
PROPOSALS, CHOSEN = "proposals", "chosen"  # let: what all tokens propose, σ⁻¹ of the best boxes
LOSSES = ("original", "Hugging Face")


@dataclass(frozen=True)
class DeformableDETRConfig(DetectorConfig):
    """The architecture of a Deformable DETR.

    (and what is in DetectorConfig)

    extra_levels       maps beyond the backbone's, each half as large as the one before
    points             P: places that a head looks at, on each map
    encoder_depth      layers of the encoder; 0: the decoder looks at the maps as they are
    decoder_depth      layers of the decoder, each of which answers
    refine             True: each layer starts from the boxes of the one before, and has heads of its own
    two_stage          True: the first boxes, and the queries, are made of what the memory's tokens propose
    proposal_loss      of these proposals: "original", all objects count as class 0; "Hugging Face", none
    box_start          σ⁻¹ of the boxes' sides, before it has learned anything
    attention_dropout  rate in [0, 1), of the weights of attention between queries
    norm_groups        groups of the maps' GroupNorm
    norm_eps           ε of LayerNorm, added to the variance
    """

    stages: tuple[int, ...] = (2, 3, 4)
    queries: int = 300
    mlp_width: int = 1024
    extra_levels: int = 1
    points: int = 4
    encoder_depth: int = 6
    decoder_depth: int = 6
    refine: bool = False
    two_stage: bool = False
    proposal_loss: str = "original"
    box_start: float = -2.0
    attention_dropout: float = 0.1
    norm_groups: int = 32
    norm_eps: float = 1e-5

    CRITERION: ClassVar[Criterion] = Criterion("focal", cost=(2.0, 5.0, 2.0), loss=(2.0, 5.0, 2.0))
    HUGGING_FACE: ClassVar[Weights] = (1.0, 5.0, 2.0)

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "DeformableDETRConfig":
        """A published model's configuration, with `changes`: Deformable-DETR-R50, with -single or -single-DC5 of one
        map, with -refined or -two-stage as these; or "Deformable-DETR-digits", which minutes on a CPU train."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        super().__post_init__()
        put(self, positive_int, "points", "decoder_depth", "norm_groups")
        put(self, lambda name, value: whole_number(name, value, least=0), "extra_levels", "encoder_depth")
        truth("refine", self.refine)
        truth("two_stage", self.two_stage)
        one_of("proposal_loss", self.proposal_loss, LOSSES)
        put_float(self, "a rate in [0, 1)", lambda rate: 0 <= rate < 1, "attention_dropout")
        put_float(self, "a positive number", lambda value: value > 0, "norm_eps")
        put_float(self, "a finite number", lambda value: True, "box_start")
        if self.two_stage and not self.refine:
            raise ValueError("two_stage is True and refine False: boxes that are proposed are refined, expected both")
        if self.width % 4 or self.width % self.norm_groups:
            raise ValueError(f"width {self.width} is not a multiple of 4 and of {self.norm_groups} groups")

    @property
    def levels(self) -> int:
        """L: maps that it looks at."""
        return len(self.stages) + self.extra_levels

    @property
    def parts(self) -> int:
        """Layers and units: each has parameters of its own."""
        return self.encoder_depth + self.decoder_depth + self.levels + self.backbone_parts

    @property
    def summary(self) -> str:
        kind = "two stages, " if self.two_stage else "refined, " if self.refine else ""
        layers = f"{self.encoder_depth} + {self.decoder_depth} layers {self.width} wide"
        return f"{kind}{self.queries} queries, {layers}, {self.levels} maps, {self.sees_with}"


def deformable_detr(config: DeformableDETRConfig, classify: bool = True) -> Chain:
    """images (B, height, width, C) -> of every layer logits (L, B, Q, K) and boxes (L, B, Q, 4); of two stages also the
    proposals' logits (B, S, K) and boxes (B, S, 4). classify: False: in the logits' place what they are made of."""
    memory = Chain(maps(config), Op("flatten_levels"), *encoder(config))  # (B, S, D)
    start = (proposed if config.two_stage else learned)(config, classify)
    return Chain(backbone(config), Let(MEMORY, memory, start))


def maps(config: DeformableDETRConfig) -> Layer:
    """The backbone's maps, at the transformer's width, and those that continue them: a list of (B, h, w, D)."""
    widths, D, groups = map_widths(config), config.width, config.norm_groups
    own = Each(*(level(f"input_proj.{i}", C, D, groups) for i, C in enumerate(widths)))
    inputs = [widths[-1], *[D] * config.extra_levels]
    more = [level(f"input_proj.{len(widths) + i}", inputs[i], D, groups, kernel=3) for i in range(config.extra_levels)]
    return Continued(own, Steps(*more)) if more else own


def encoder(config: DeformableDETRConfig) -> list[Layer]:
    """(B, S, D) -> (B, S, D)."""
    if not config.encoder_depth:
        return []
    table = Parameter("transformer.level_embed", (config.levels, config.width), std=1.0)
    layers = (encoder_layer(config, f"transformer.encoder.layers.{i}") for i in range(config.encoder_depth))
    return [Let(PLACES, Chain(Value(POSITIONS, held=True), Op("add_levels", table, SHAPES)), *layers)]


def encoder_layer(config: DeformableDETRConfig, name: str) -> Chain:
    """x = LN(x + A(x + p, its cell, x)),   LN(x + MLP(x)).   (B, S, D) -> (B, S, D)"""
    D, eps, end = config.width, config.norm_eps, drop(config.dropout)
    return Chain(
        Residual(deformable_attention(config, f"{name}.self_attn", Op("add_places", PLACES), CENTRES), *end),
        norm(f"{name}.norm1", D, eps),
        Residual(mlp(config, name), *end),
        norm(f"{name}.norm2", D, eps),
    )


def learned(config: DeformableDETRConfig, classify: bool) -> Let:
    """Queries that are the same for every image, and points that are made of them."""
    D = config.width
    table = Parameter("query_embed.weight", (config.queries, 2 * D), std=1.0)
    point = dense("transformer.reference_points", D, 2, std=xavier(D, 2))
    queries = Chain(Value(START, held=True), Op("add_first_rows", table))
    return Let(QUERIES, queries, decoder(config, Chain(Value(EMBED), point, Op("sigmoid")), classify))


def proposed(config: DeformableDETRConfig, classify: bool) -> Let:
    """Queries that are made of the best boxes which the memory's tokens propose, and these boxes: no gradient goes back
    to what proposes, which has a loss of its own."""
    D, Q, name, last = config.width, config.queries, "transformer", config.decoder_depth
    proposals = Chain(
        Value(MEMORY),
        Op("mask_tokens", VALID),
        dense(f"{name}.enc_output", D, D, std=xavier(D, D)),
        norm(f"{name}.enc_output_norm", D, config.norm_eps),
        Together(classes(config, last), Chain(box_mlp(config, last), Op("add_anchors", ANCHORS))),
    )
    best = Made(PROPOSALS, lambda said: ops.best_proposals(*said, Q))  # (B, Q, 4)
    queries = Chain(
        Made(CHOSEN, lambda chosen: ops.box_sines(ops.sigmoid_forward(chosen)[0], D)),  # (B, Q, 2D)
        dense(f"{name}.pos_trans", 2 * D, 2 * D, std=xavier(2 * D, 2 * D)),
        norm(f"{name}.pos_trans_norm", 2 * D, config.norm_eps),
    )
    answer = decoder(config, Made(CHOSEN, lambda chosen: ops.sigmoid_forward(chosen)[0]), classify)
    everywhere = Chain(Value(PROPOSALS), Each(Chain(), Op("sigmoid")))
    return Let(PROPOSALS, proposals, Beside(Let(CHOSEN, best, Let(QUERIES, queries, answer)), everywhere))


def decoder(config: DeformableDETRConfig, reference: Layer, classify: bool) -> Let:
    """QUERIES (B, Q, 2D), of which the first half says where, and the references (B, Q, 2 or 4) -> logits, boxes."""
    D = config.width
    layers = [decoder_layer(config, f"transformer.decoder.layers.{i}") for i in range(config.decoder_depth)]
    if config.refine:
        answers = [Iterated(*((layer, heads(config, i, classify)) for i, layer in enumerate(layers)))]
        answers.append(Each(Op("stack"), Op("stack")))
    else:
        answers = [Steps(*layers), Op("stack"), heads(config, 0, classify)]
    content = Chain(Value(QUERIES), Op("columns", start=D, stop=2 * D), *answers)
    return Let(EMBED, Chain(Value(QUERIES), Op("columns", start=0, stop=D)), Let(BOXES, reference, content))


def decoder_layer(config: DeformableDETRConfig, name: str) -> Chain:
    """y = LN(y + MSA(y + e, y + e, y)),   y = LN(y + A(y + e, r, x)),   LN(y + MLP(y)).   (B, Q, D) -> (B, Q, D)

    The authors' norm2 comes before their norm1."""
    D, eps, end = config.width, config.norm_eps, drop(config.dropout)
    places = Op("add_places", EMBED)
    return Chain(
        Residual(self_attention(config, f"{name}.self_attn", places, dropout=config.attention_dropout), *end),
        norm(f"{name}.norm2", D, eps),
        Residual(deformable_attention(config, f"{name}.cross_attn", places, BOXES, MEMORY), *end),
        norm(f"{name}.norm1", D, eps),
        Residual(mlp(config, name), *end),
        norm(f"{name}.norm3", D, eps),
    )


def heads(config: DeformableDETRConfig, i: int, classify: bool) -> Together:
    """(..., B, Q, D) -> logits (..., B, Q, K) and boxes (..., B, Q, 4), told from the references."""
    return Together(
        classes(config, i) if classify else Chain(), Chain(box_mlp(config, i), Op("box_at_reference", BOXES))
    )


class DeformableDETR(Detector[DeformableDETRConfig]):
    """A Deformable DETR: `logits, boxes = model(images, mask)`. Its arguments are a ViT's, what it is asked is in
    detector.py."""

    Config = DeformableDETRConfig
    describe = staticmethod(deformable_detr)

    def given(self, sizes: list[Pair], mask: np.ndarray) -> Arrays:
        """The maps' sizes, their places and what is image in them, and the zeros to which the queries are added."""
        config, shapes = self.config, list(sizes)
        for _ in range(config.extra_levels):
            shapes.append(tuple(-(-side // 2) for side in shapes[-1]))
        masks = [ops.resize_mask(mask, shape) for shape in shapes]
        whole, ratios = all(at.all() for at in masks), ops.valid_ratios(masks)
        if not ratios.all():
            raise ValueError("mask is False in an image's upper left corner: expected padding right of it and below")
        given = {SHAPES: tuple(shapes), RATIOS: ratios, START: np.zeros((len(mask), config.queries, 2 * config.width))}
        given[MASK] = None if whole else np.concatenate([at.reshape(len(at), -1) for at in masks], axis=1)
        if config.encoder_depth:
            few = slice(1) if whole else slice(None)
            sines = [ops.sine_positions(at[few], config.width, shift=-0.5) for at in masks]
            given |= {POSITIONS: np.concatenate(sines, axis=1), CENTRES: ops.cell_centres(shapes, ratios)}
        if config.two_stage:
            given[ANCHORS], given[VALID] = ops.anchors(shapes, masks)
        return given

    def loss_of(
        self, out: tuple[np.ndarray, ...], targets: list[Target], by: Divisor
    ) -> tuple[float, dict[str, float], tuple[np.ndarray, ...]]:
        """As every detector's; of two stages also the proposals': any object is of class 0 to them (loss_ce_enc, …)."""
        loss, terms, dout = super().loss_of(out[:2], targets, by)
        if not self.config.two_stage:
            return loss, terms, dout
        said = out[2:]
        if self.config.proposal_loss == "Hugging Face":
            return loss, terms, (*dout, *map(np.zeros_like, said))
        objects = [target | {"labels": np.zeros_like(target["labels"])} for target in targets]
        layer = [array[None] for array in said]
        more, of_proposals, *dsaid = set_loss(self.device, *layer, objects, self.config.criterion, by)
        terms |= {f"{name}_enc": term for name, term in of_proposals.items()}
        return loss + more, terms, (*dout, *(array[0] for array in dsaid))

    def features(self, images: Images, mask: np.ndarray | None = None) -> np.ndarray:
        """What the heads see of the last layer, a vector a query: (B, Q, D)."""
        return self.run_on(deformable_detr(self.config, classify=False), images, mask)[0][-1]

    def attention(self, images: Images, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Where the queries look at each other: "queries" (L, B, H, Q, Q), rows sum to 1. Where they look in the
        picture, `sampling` says."""
        images, named = self.looked_at(images, mask)
        maps = attention_maps(self.device.ops, self.arrays(self.layers) | named, self.layers, images)
        return {"queries": np.stack([self.device.to_numpy(weights) for weights in maps])}

    def sampling(self, images: Images, mask: np.ndarray | None = None) -> list[dict[str, np.ndarray]]:
        """Where the decoder's queries look, layer by layer: "locations" (B, Q, H, L, P, 2), x and y in parts of each
        map, and "weights" (B, Q, H, L, P), each head's sum 1."""
        images, named = self.looked_at(images, mask)
        found: list[dict[str, np.ndarray]] = []

        def note(value: Any, locations: np.ndarray, weights: np.ndarray, shapes: Sequence[Pair]) -> None:
            locations, weights = map(self.device.to_numpy, (locations, weights))
            found.append({"locations": locations, "weights": weights})

        noted = noting(self.device.ops, deformable_attention_forward=note)
        self.layers(noted, self.arrays(self.layers) | named, images)
        return found[self.config.encoder_depth :]
