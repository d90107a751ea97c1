"""Sparse R-CNN: a few learned boxes, each with a vector that says what to look for in it, made better round after round
(Sun et al., arXiv 2011.12450). No box is tried twice, and nothing is suppressed.

    maps of the backbone -> a pyramid                                                          fpn.py
    N boxes and N vectors x, the same for every image; round after round:
        roi = what lies in the boxes, size x size cells                                        ops/roi_align.py
        x = LN(x + MSA(x)),   x = LN(x + Dyn(x, roi)),   x = LN(x + MLP(x))
        logits = tower(x) W + b,   boxes = boxes moved by tower(x) W + b                       ops/box_deltas.py

Dyn makes two matrices of each x and filters its cells by them. Boxes are corners in pixels on the way, and (cx, cy, w,
h) relative to the image's own size in the answer, like DETR's, though they may leave the image. The loss is
set_loss.py, its L1 that of corners. Next: detector.py, what one asks of it.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np

from ..layers import Arrays, Chain, Each, Layer, Let, Op, Parameter, Residual, Together, Value
from ..layers.parts import dense, drop, norm
from ..model.attention_maps import attention_maps
from ..model.checks import one_of, positive_int, put, put_float, stages, whole_number
from ..model.sizes import size_by_name
from . import backbone as seeing
from .criterion import Criterion, Weights
from .detector import Detector, Images, Pair
from .detector_config import DetectorConfig
from .detector_parts import mlp, xavier
from .fpn import PYRAMIDS, pyramid
from .iterated import BOXES, Detached, Iterated
from .sparse_rcnn_sizes import SIZES

MEMORY, PLACES, ROI = "memory", "places", "roi"  # the maps, one after another; where a round looks; what lies there
# Given with the images: the maps' heights and widths, the images' own, and zeros to start from.
SHAPES, SIZE, START, START_BOXES = "shapes", "image_sizes", "start", "start_boxes"
RARE = -math.log(99)  # a class's bias: it is found in one of a hundred boxes
LEVEL = 4  # of boxes of canonical_size


@dataclass(frozen=True)
class SparseRCNNConfig(DetectorConfig):
    """The architecture of a Sparse R-CNN, which says boxes round after round.

    (and what is in DetectorConfig)

    pyramid         "levels": each box looks at the map of its size; "sum": at one map, the sum of all
    depth           rounds, each of which answers
    dynamic_width   numbers a cell between the two matrices that a query makes
    pool_size       cells a side of what is cut out of a map
    samples         points a side of a cell
    class_layers    layers of the tower before the logits
    box_layers      layers of the tower before a box's deltas
    canonical_size  pixels a side of boxes that look at the fifth-finest level, that of stride 16
    norm_eps        ε of LayerNorm, added to the variance
    strides         without a backbone: pixels to one place of each map that is given, powers of two
    """

    classes: int = 80
    stages: tuple[int, ...] = (1, 2, 3, 4)
    dropout: float = 0.0
    pyramid: str = "levels"
    depth: int = 6
    dynamic_width: int = 64
    pool_size: int = 7
    samples: int = 2
    class_layers: int = 1
    box_layers: int = 3
    canonical_size: float = 224.0
    norm_eps: float = 1e-5
    strides: tuple[int, ...] = ()

    CRITERION: ClassVar[Criterion] = Criterion("focal", corners=True, cost=(2.0, 5.0, 2.0), loss=(2.0, 5.0, 2.0))
    HUGGING_FACE: ClassVar[Weights] = (2.0, 5.0, 2.0)  # the original's: they have none

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "SparseRCNNConfig":
        """A published model's configuration, with `changes`: Sparse-R-CNN-R50 or -R101, of 100 proposals, or of 300,
        Sparse-R-CNN-R50-300; or "Sparse-R-CNN-digits", which minutes on a CPU train."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("pyramid", self.pyramid, PYRAMIDS)
        put(self, positive_int, "depth", "dynamic_width", "pool_size", "samples")
        put(self, lambda name, value: whole_number(name, value, least=0), "class_layers", "box_layers")
        put_float(self, "a positive number", lambda value: value > 0, "canonical_size", "norm_eps")
        put(self, lambda name, value: stages(name, value, "a number for each map, such as (8, 16)"), "strides")
        self._check_strides()

    def _check_strides(self) -> None:
        given = f"strides is {self.strides}"
        if (self.backbone is None) != bool(self.strides):
            raise ValueError(f"{given}, expected one for each map without a backbone, and none with one")
        if len(strides := self.map_strides) != len(self.stages):
            raise ValueError(f"{given}, expected {len(self.stages)}, one for each map")
        if strides[0].bit_count() != 1 or any(b != 2 * a for a, b in pairwise(strides)):
            raise ValueError(
                f"the maps' strides are {', '.join(map(str, strides))}, expected powers of two, each twice the one "
                "before: the pyramid adds a map to the next finer one"
            )

    @property
    def map_strides(self) -> tuple[int, ...]:
        """Pixels to one place of each map that the pyramid is made of."""
        return self.strides or seeing.strides(self)

    @property
    def box_strides(self) -> tuple[int, ...]:
        """And of each map that boxes look at."""
        return self.map_strides[:1] if self.pyramid == "sum" else self.map_strides

    @property
    def answers(self) -> int:
        """How many detections there are of a picture, at most."""
        return self.queries

    @property
    def parts(self) -> int:
        """Rounds and units: each has parameters of its own."""
        return self.depth + self.backbone_parts

    @property
    def summary(self) -> str:
        return f"{self.queries} boxes, {self.depth} rounds {self.width} wide, {self.sees_with}"


def sparse_rcnn(config: SparseRCNNConfig, classify: bool = True) -> Chain:
    """images (B, height, width, C) -> of every round logits (L, B, N, K) and boxes (L, B, N, 4). classify: False for
    what the heads see in the logits' place, (L, B, N, D)."""
    widths, D = seeing.map_widths(config), config.width
    maps = Chain(pyramid(config.pyramid, widths, D, config.map_strides), Op("flatten_levels"))  # (B, Σ h·w, D)
    in_parts = Chain(Op("stack"), Op("to_parts", SIZE), Op("centres"))
    return Chain(
        seeing.backbone(config),
        Let(MEMORY, maps, Let(BOXES, proposal_boxes(config), proposals(config, classify))),
        Each(Op("stack"), in_parts),
    )


def proposal_boxes(config: SparseRCNNConfig) -> Chain:
    """N learned boxes, which start as all of the image -> corners in pixels (B, N, 4)."""
    N = config.queries
    boxes = Parameter("init_proposal_boxes.weight", (N, 4), start=lambda: np.tile([0.5, 0.5, 1.0, 1.0], (N, 1)))
    return Chain(Value(START_BOXES, held=True), Op("add_first_rows", boxes), Op("corners"), Op("to_pixels", SIZE))


def proposals(config: SparseRCNNConfig, classify: bool) -> Chain:
    """N learned vectors -> logits (B, N, K) and boxes (B, N, 4), corners in pixels, of each round, in two lists."""
    features = Parameter("init_proposal_features.weight", (config.queries, config.width), std=1.0)
    names = map("head_series.{}".format, range(config.depth))
    rounds = ((look(config, name), heads(config, name, classify)) for name in names)
    return Chain(Value(START, held=True), Op("add_first_rows", features), Iterated(*rounds))


def look(config: SparseRCNNConfig, name: str) -> Chain:
    """x = LN(x + MSA(x)),   x = LN(x + Dyn(x, roi)),   LN(x + MLP(x)).   (B, N, D) -> (B, N, D)"""
    D, end = config.width, drop(config.dropout)
    return Chain(
        Residual(self_attention(config, f"{name}.self_attn"), *end),
        norm(f"{name}.norm1", D, config.norm_eps),
        Residual(Let(ROI, region(config), dynamic_interaction(config, f"{name}.inst_interact")), *end),
        norm(f"{name}.norm2", D, config.norm_eps),
        Residual(mlp(config, name), *end),
        norm(f"{name}.norm3", D, config.norm_eps),
    )


def self_attention(config: SparseRCNNConfig, name: str) -> Chain:
    """The queries at each other, without places.   (B, N, D) -> (B, N, D)"""
    D = config.width
    qkv = dense(f"{name}.qkv", D, 3 * D, std=xavier(D, 3 * D))
    proj = dense(f"{name}.proj", D, D, std=xavier(D, D))
    return Chain(qkv, Op("self_attention", None, heads=config.heads, dropout=config.dropout, noise=True), proj)


def region(config: SparseRCNNConfig) -> Let:
    """What lies in the boxes: (B, N, cells, D)."""
    options = dict(size=config.pool_size, strides=config.box_strides, samples=config.samples)
    canonical = config.canonical_size, LEVEL
    return Let(PLACES, Detached(BOXES), Value(MEMORY), Op("roi_align", PLACES, SHAPES, canonical=canonical, **options))


def dynamic_interaction(config: SparseRCNNConfig, name: str) -> Let:
    """Two matrices are made of x, (D, h) and (h, D), and filter its cells: relu(LN(relu(LN(roi M₁)) M₂)). These are
    then mixed, all cells together.   (B, N, D) -> (B, N, D)"""
    D, h, cells, filters = config.width, config.dynamic_width, config.pool_size**2, f"{name}.filters"
    return Let(
        filters,
        dense(f"{name}.dynamic_layer", D, 2 * D * h, std=xavier(D, 2 * D * h)),
        Value(ROI),
        Op("dynamic_linear", filters, n_out=h),  # (B, N, cells, h)
        norm(f"{name}.norm1", h, config.norm_eps),
        Op("relu"),
        Op("dynamic_linear", filters, n_out=D, start=D * h),  # (B, N, cells, D)
        norm(f"{name}.norm2", D, config.norm_eps),
        Op("relu"),
        Op("join_cells"),  # (B, N, cells·D)
        dense(f"{name}.out_layer", cells * D, D, std=xavier(cells * D, D)),
        norm(f"{name}.norm3", D, config.norm_eps),
        Op("relu"),
    )


def heads(config: SparseRCNNConfig, name: str, classify: bool = True) -> Together:
    """(B, N, D) -> logits (B, N, K), and the boxes moved (B, N, 4), corners in pixels."""
    D, K = config.width, config.classes
    weight = Parameter(f"{name}.class_logits.weight", (D, K), std=xavier(D, K))
    logits = Op("linear", weight, Parameter(f"{name}.class_logits.bias", (K,), mean=RARE))
    deltas = dense(f"{name}.bboxes_delta", D, 4, std=xavier(D, 4))
    return Together(
        Chain(*tower(config, f"{name}.cls_module", config.class_layers), logits) if classify else Chain(),
        Chain(*tower(config, f"{name}.reg_module", config.box_layers), deltas, Op("box_deltas", BOXES)),
    )


def tower(config: SparseRCNNConfig, name: str, layers: int) -> list[Layer]:
    """So many times relu(LN(x W)).   (B, N, D) -> (B, N, D)"""
    D, made = config.width, []
    for i in range(0, 3 * layers, 3):  # as the authors number them, ReLUs too
        made += [dense(f"{name}.{i}", D, D, bias=False, std=xavier(D, D))]
        made += [norm(f"{name}.{i + 1}", D, config.norm_eps), Op("relu")]
    return made


class SparseRCNN(Detector[SparseRCNNConfig]):
    """A Sparse R-CNN: `logits, boxes = model(images, mask)`. Its arguments are a ViT's, what it is asked is in
    detector.py. The authors pad images to a multiple of 32 pixels, zeros right and below: so their numbers are had."""

    Config = SparseRCNNConfig
    describe = staticmethod(sparse_rcnn)

    def given(self, sizes: list[Pair], mask: np.ndarray) -> Arrays:
        """The maps' and the images' own sizes, and the zeros that all starts from."""
        (B, *pixels), N, config = mask.shape, self.config.queries, self.config
        own = np.stack((mask.any(axis=2).sum(axis=1), mask.any(axis=1).sum(axis=1)), axis=1)  # (B, 2): rows, columns
        if config.backbone is None:  # nobody has seen pixels: a map tells how many there are
            own = own * (np.array(sizes[0]) * config.map_strides[0] / pixels)
        return {
            SHAPES: tuple(sizes[: len(config.box_strides)]),
            SIZE: own.astype(np.float64),
            START: np.zeros((B, N, config.width)),
            START_BOXES: np.zeros((B, N, 4)),
        }

    def features(self, images: Images, mask: np.ndarray | None = None) -> np.ndarray:
        """What the heads see of the last round, a vector a query: (B, N, D)."""
        return self.run_on(sparse_rcnn(self.config, classify=False), images, mask)[0][-1]

    def attention(self, images: Images, mask: np.ndarray | None = None) -> dict[str, np.ndarray]:
        """Where the heads look, rows sum to 1: "queries" (L, B, H, N, N), at each other. Nobody looks at places."""
        images, named = self.looked_at(images, mask)
        maps = attention_maps(self.device.ops, self.arrays(self.layers) | named, self.layers, images)
        return {"queries": np.stack([self.device.to_numpy(weights) for weights in maps])}

    def rounds(self, images: Images, mask: np.ndarray | None = None) -> np.ndarray:
        """The boxes that it starts from, and those of every round: (1 + L, B, N, 4), (cx, cy, w, h) relative to each
        image's own size."""
        _, boxes = (self.device.to_numpy(said) for said in self.run_on(self.layers, images, mask))
        start = self.device.to_numpy(self.params["init_proposal_boxes.weight"])
        return np.concatenate((np.broadcast_to(start, (1, *boxes.shape[1:])), boxes))
