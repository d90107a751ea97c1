"""What one asks of a detector: what it says of images, its loss, what there is in a picture and where.

DETR, Deformable DETR and Sparse R-CNN have this face. What each has of its own is its configuration, its layers, and
`given`: what these read besides parameters, made of the mask.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from ..layers import Arrays, Layer
from ..model import Described
from ..model.images import check_pixels, normalize
from ..model.targets import Target, check_targets
from .backbone import map_sizes, map_widths
from .criterion import Divisor
from .detections import Detection, answer, in_pixels, pad, resized
from .detector_config import DetectorConfig
from .set_loss import divisor, set_loss

C = TypeVar("C", bound=DetectorConfig)
Images = np.ndarray | Sequence[np.ndarray]  # without a backbone: the maps (B, h, w, D), finest first
Pair = tuple[int, int]
BATCH = 16  # pictures that `detect` looks at together


class Detector(Described[C]):
    """logits, boxes = model(images, mask).  A model's own class says which Config it takes, and `describe` what layers
    that makes: a chain whose first part is the backbone, from images to maps, and which answers of every layer of the
    decoder (logits (L, B, Q, K or K + 1), boxes (L, B, Q, 4)); the last layer's are the answer.

    images (B, height, width, C), normalised; mask (B, height, width) True where there is image, all of it if not given.
    Without a backbone, images are a list of maps (B, h, w, D), finest first, and each gets a gradient. A box is
    (cx, cy, w, h), relative to its image's own size, which is the extent of its mask.
    """

    def __call__(self, images: Images, mask: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """In evaluation, of the last layer: logits (B, Q, K or K + 1) and boxes (B, Q, 4)."""
        images, named = self.looked_at(images, mask)
        logits, boxes, *_ = self.layers(self.device.ops, self.arrays(self.layers) | named, images)
        return logits[-1], boxes[-1]

    def forward(
        self, images: Images, mask: np.ndarray | None = None, rng: np.random.Generator | None = None
    ) -> tuple[tuple[np.ndarray, ...], Any]:
        """Of every layer logits (L, B, Q, K or K + 1) and boxes (L, B, Q, 4), and the cache for one `backward`, which
        takes the gradients of both. rng: the source of dropout in training."""
        images, named = self.looked_at(images, mask)
        return self.layers.forward(self.device.ops, self.arrays(self.layers) | named, images, rng)

    def loss_and_grads(
        self,
        images: Images,
        targets: Sequence[Target] | np.ndarray,
        mask: np.ndarray | None = None,
        divisor: Divisor | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[float, Arrays]:
        """The set loss of all layers (set_loss.py) and its gradient for every parameter.

        targets: of each image a dict of "labels" (T,) and "boxes" (T, 4), or packed (model/targets.py). divisor: where
        these are a part of a batch, `model.divisor(targets)` of all of it, so that the parts' losses and gradients add
        up. rng switches dropout on.
        """
        loss, _, grads, _ = self.losses_and_all_grads(images, targets, mask, divisor, rng)
        return loss, grads

    def losses_and_all_grads(
        self,
        images: Images,
        targets: Sequence[Target] | np.ndarray,
        mask: np.ndarray | None = None,
        divisor: Divisor | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[float, dict[str, float], Arrays, Any]:
        """The loss, its terms by name, without their weights, and the gradients of the parameters and of the images."""
        out, cache = self.forward(images, mask, rng)
        targets = self.checked_targets(targets, out[0].shape[1])
        loss, terms, dout = self.loss_of(out, targets, divisor or self.divisor(targets))
        grads, dimages = self.backward(dout, cache)
        return loss, terms, grads, dimages

    def loss_of(
        self, out: tuple[np.ndarray, ...], targets: list[Target], by: Divisor
    ) -> tuple[float, dict[str, float], tuple[np.ndarray, ...]]:
        """Of what `forward` answers: the loss, its terms, and the gradient of each array of the answer."""
        loss, terms, *dout = set_loss(self.device, *out, targets, self.config.criterion, by)
        return loss, terms, tuple(dout)

    def loss(self, images: Images, targets: Sequence[Target] | np.ndarray, mask: np.ndarray | None = None) -> float:
        """The loss alone, in evaluation."""
        images, named = self.looked_at(images, mask)
        out = self.layers(self.device.ops, self.arrays(self.layers) | named, images)
        targets = self.checked_targets(targets, out[0].shape[1])
        return self.loss_of(out, targets, self.divisor(targets))[0]

    def divisor(self, targets: Sequence[Target] | np.ndarray) -> Divisor:
        """What the losses of a whole batch with these targets are divided by."""
        targets = self.checked_targets(targets, len(targets))
        return divisor(targets, self.config.queries, self.config.criterion)

    def detect(self, pictures: Sequence[np.ndarray] | np.ndarray, threshold: float = 0.0) -> list[Detection]:
        """What there is in raw pictures (h, w, C) of any sizes, uint8 or floats in [0, 1], and where: for each a dict
        of "scores" (n,), falling and above the threshold, "labels" (n,), and "boxes" (n, 4), corners (x0, y0, x1, y1)
        in its pixels."""
        if self.config.backbone is None:
            raise ValueError("the model has no backbone, so it sees no pictures: use model(maps)")
        found = []
        for start in range(0, len(pictures), BATCH):
            some = [np.asarray(picture) for picture in pictures[start : start + BATCH]]
            images, mask = pad([self._as_input(picture) for picture in some])
            logits, boxes = map(self.device.to_numpy, self(images, None if mask.all() else mask))
            for picture, *said in zip(some, logits, boxes, strict=True):
                detection = answer(*said, self.config)
                detection["boxes"] = in_pixels(detection["boxes"], picture.shape[:2])
                above = detection["scores"] > threshold
                found.append({name: array[above] for name, array in detection.items()})
        return found

    def normalize(self, images: np.ndarray) -> np.ndarray:
        """Raw images, uint8 or floats in [0, 1] -> what the model was trained on, (pixel − image_mean) / image_std."""
        check_pixels(images)
        mean, std = (
            self.constant(np.asarray(value, self.dtype)) for value in (self.config.image_mean, self.config.image_std)
        )
        return normalize(self.device.asarray(images), mean, std)

    def run_on(self, layers: Layer, images: Images, mask: np.ndarray | None = None) -> Any:
        """Any layers that read this model's numbers and what is `given`, in evaluation."""
        images, named = self.looked_at(images, mask)
        return layers(self.device.ops, self.arrays(layers) | named, images)

    def given(self, sizes: list[Pair], mask: np.ndarray) -> Arrays:
        """What the layers read besides parameters, NumPy arrays or, for the host alone, anything else: of maps of these
        (height, width), and of the mask (B, height, width)."""
        raise NotImplementedError  # each model's own class says it

    def looked_at(self, images: Images, mask: np.ndarray | None) -> tuple[Any, Arrays]:
        """The images, or the maps in their place, checked, and what is `given` for them, on the device."""
        images = self._checked(images)
        finest = images[0] if self.config.backbone is None else images
        mask = _checked_mask(mask, finest.shape[:3], self.config.backbone is None)
        named = self.given(map_sizes(self.config, images), mask)
        return images, {
            name: self.constant(value) if isinstance(value, np.ndarray) else value for name, value in named.items()
        }

    def checked_targets(self, targets: Sequence[Target] | np.ndarray, batch: int) -> list[Target]:
        """Targets of so many images. Raises ValueError or TypeError for others."""
        targets = self.device.to_numpy(targets) if hasattr(targets, "dtype") else targets
        return check_targets(targets, batch, self.config.classes)

    def _as_input(self, picture: np.ndarray) -> np.ndarray:
        """A raw picture, normalised and resized: (h, w, C)."""
        if picture.ndim != 3 or picture.shape[2] != self.config.channels:
            raise ValueError(f"a picture has shape {picture.shape}, expected (height, width, {self.config.channels})")
        return resized(self.device.to_numpy(self.normalize(picture)), self.config)

    def _checked(self, images: Images) -> Any:
        if self.config.backbone is not None:
            return self._checked_array("images", images, self.config.channels)
        widths = map_widths(self.config)
        if not isinstance(images, list | tuple) or len(images) != len(widths):
            given = f"{len(images)} arrays" if isinstance(images, list | tuple) else f"a {type(images).__name__}"
            raise ValueError(f"images are {given}, expected a list of {len(widths)} maps: the model has no backbone")
        return [self._checked_array(f"map {i}", x, D) for i, (x, D) in enumerate(zip(images, widths, strict=True))]

    def _checked_array(self, name: str, x: Any, last: int) -> np.ndarray:
        if not hasattr(x, "dtype") or not np.issubdtype(x.dtype, np.floating):
            kind = x.dtype if hasattr(x, "dtype") else type(x).__name__
            hint = ": use model.detect(pictures) for raw pixels, or model.normalize" if name == "images" else ""
            raise TypeError(f"{name}: {kind}, expected an array of floats{hint}")
        if x.ndim != 4 or x.shape[3] != last or 0 in x.shape:
            raise ValueError(f"{name}: shape {x.shape}, expected (B, height, width, {last})")
        if isinstance(x, np.ndarray) and not np.isfinite(x).all():
            raise ValueError(f"{name}: NaN or infinity among the numbers")
        return self.device.asarray(x.astype(self.dtype, copy=False))


def _checked_mask(mask: np.ndarray | None, shape: tuple[int, ...], any_size: bool) -> np.ndarray:
    """True where there is image, (B, height, width), all of it if not given. any_size: that of pixels nobody has."""
    if mask is None:
        return np.ones(shape, bool)
    mask = np.asarray(mask)
    if mask.ndim != 3 or len(mask) != shape[0] or (mask.shape != shape and not any_size):
        raise ValueError(f"mask has shape {mask.shape}, expected {shape[:1] if any_size else shape}: True is image")
    if (empty := np.flatnonzero(~mask.astype(bool).any(axis=(1, 2)))).size:
        raise ValueError(f"mask is False for all of image {empty[0]}: expected True where there is image")
    return mask.astype(bool)
