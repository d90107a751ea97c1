"""Small detectors, and every gradient of their losses against differences: of all parameters, and of the images or the
maps in their place. Together they take every value of every option."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..family.detector import Detector
from ..family.detr import DETR, DETRConfig
from ..family.resnet import ResNetConfig
from ..gradcheck import Report, compare_scaled, compare_zero, numerical_gradient
from .deformable_models import DEFORMABLES, SILENT
from .held import Held
from .operations import noise
from .proof import holding, order_one_parameters
from .sparse_rcnn_models import SPARSE_RCNNS, with_boxes

STEP = 1e-5  # which crosses no kink
ZERO_STEP = 1e-3  # what has no gradient has no kink in its way, and larger steps have less rounding


def _resnet(**options: object) -> ResNetConfig:
    """Two stages; its channels are the detector's."""
    sizes = dict(stem_width=6, stem_kernel=3, depths=(1, 1), widths=(6, 8), inner=(3, 4))
    return ResNetConfig(**sizes | options)


def _detr(**options: object) -> DETRConfig:
    """Three queries for two classes, with a LayerNorm that bends little."""
    sizes = dict(classes=2, channels=1, queries=3, width=4, heads=2, mlp_width=5, encoder_depth=1, decoder_depth=1)
    return DETRConfig(**sizes | dict(dropout=0.0, attention_dropout=0.0, norm_eps=0.1) | options)


# The class, the configuration, and what is looked at: (height, width) of two images, or of each of their maps.
DETECTORS: dict[str, tuple[type[Detector], Any, tuple[tuple[int, int], ...]]] = {
    "DETR": (DETR, _detr(backbone=_resnet(), stages=(2,), decoder_depth=2), ((16, 24),)),
    "DETR, dilated, dropout": (
        DETR,
        _detr(
            backbone=_resnet(depths=(1, 2), widths=(6, 4), inner=None), dilation=True, stages=(2,), heads=1,
            no_object=0.3, encoder_depth=0, dropout=0.1, attention_dropout=0.2,
        ),
        ((12, 8),),
    ),
    "DETR, given map": (
        DETR,
        _detr(backbone=None, map_widths=(3,), cost_weights=(2, 1, 3), loss_weights=(0.5, 3, 1), decoder_depth=2),
        ((2, 3),),
    ),
    **DEFORMABLES,
    **SPARSE_RCNNS,
}  # fmt: skip
# An image of two objects, the right of which is padding, and one of four: more than there are queries.
TARGETS = [
    {"labels": np.array([1, 0]), "boxes": np.array([[0.3, 0.4, 0.2, 0.5], [0.7, 0.6, 0.3, 0.2]])},
    {
        "labels": np.array([0, 1, 1, 0]),
        "boxes": np.array([[0.2, 0.2, 0.1, 0.3], [0.5, 0.8, 0.4, 0.2], [0.8, 0.3, 0.2, 0.4], [0.5, 0.5, 0.9, 0.8]]),
    },
]
# Gradients that are exactly zero: the first layer of DETR's decoder attends to values that are all the same, unless
# dropout takes some away.
FIRST = ("transformer.decoder.layers.0.self_attn.qkv.weight",)
ZEROS = {"DETR": FIRST, "DETR, given map": FIRST} | SILENT


def small_detector(name: str, seed: int = 0) -> tuple[Detector, Any, np.ndarray]:
    """With parameters of order one; and what it looks at, and the mask. What is padded holds numbers, too: zeros would
    be a max pool's tie."""
    kind, config, sizes = DETECTORS[name]
    rng = np.random.default_rng(seed)
    widths = config.map_widths if config.backbone is None else (config.channels,)
    images = [rng.standard_normal((2, *size, width)) for size, width in zip(sizes, widths, strict=True)]
    mask = np.ones((2, *sizes[0]), bool)
    mask[0, :, sizes[0][1] * 2 // 3 :] = False
    model = kind(config, params=with_boxes(order_one_parameters(config, seed, kind)))
    return model, images if config.backbone is None else images[0], mask


def check_detector(name: str, seed: int = 0) -> Report:
    """The loss's gradient for every parameter and for what is looked at. A ReLU has a kink, which no step must cross:
    they are tiny, and each error is relative to the largest gradient of its tensor."""
    model, images, mask = small_detector(name, seed)
    model.device = held = Held(model.device)
    _, _, grads, dimages = model.losses_and_all_grads(images, TARGETS, mask, rng=noise())

    def loss() -> float:
        held.replay()
        out, _ = model.forward(images, mask, noise())
        return model.loss_of(out, TARGETS, model.divisor(TARGETS))[0]

    places = model.params | _named(images)
    return Report(tuple(_checks(grads | _named(dimages), places, loss, ZEROS.get(name, ()))))


def check_detectors(seed: int = 0, text: Sequence[str] = ()) -> Iterator[tuple[str, Report]]:
    """All of DETECTORS, one by one."""
    for name in holding(DETECTORS, text):
        yield name, check_detector(name, seed)


def _named(images: Any) -> dict[str, np.ndarray]:
    return {f"map {i}": x for i, x in enumerate(images)} if isinstance(images, list) else {"images": images}


def _checks(
    analytic: dict[str, np.ndarray], places: dict[str, np.ndarray], loss: Callable[[], float], zeros: tuple[str, ...]
) -> Iterator[Any]:
    """The keys' bias, of which softmax sees nothing, has a gradient of zero, which is not asked for its digits."""
    for name, place in places.items():
        if name in zeros:
            yield compare_zero(f"{name} (zero)", analytic[name], numerical_gradient(loss, place, ZERO_STEP))
        else:
            yield compare_scaled(name, analytic[name], numerical_gradient(loss, place, STEP))
