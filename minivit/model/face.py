"""What one asks of a model that looks at images: logits, a loss and its gradients, predictions, features, files.

`Classifier` is what all of them have, `ViT` what a Vision Transformer has besides: tokens, attention maps, two heads.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..devices.workers import in_shards
from ..layers import Arrays, Chain, Layer
from ..ops import softmax_forward
from .attention_maps import attention_maps
from .checks import Configuration
from .config import ViTConfig
from .described import Described
from .images import check_images, check_labels, check_pixels, check_shape, normalize
from .vit import encoder, final_norm, vit

# In evaluation a CPU's thread takes as many images as have these: products and array calls are large, memory is small.
SHARD_TOKENS = 800
SHARD_NUMBERS = 600_000  # of a small model, whose tokens are narrow: the widest that a layer makes of them
DEVICE_BATCH = 100  # images at a time to a GPU, so that its memory need not grow with their number


C = TypeVar("C", bound=Configuration)  # a model's


class Classifier(Described[C]):
    """logits = model(images). A model's own class says which Config it takes, and `describe` what layers that makes:

    the chain of what leads to the last map or tokens, what makes features of these, and the head, if there is one.
    """

    def __init__(
        self,
        config: C,
        seed: int = 0,
        dtype: type = np.float32,
        init: str = "timm",
        params: Arrays | None = None,
        device: str = "cpu",
    ) -> None:
        super().__init__(config, seed, dtype, init, params, device)
        layers = self.layers.parts[0]  # to the last map or tokens
        widest = max((p.shape[0] for p in layers.parameters if len(p.shape) == 1), default=1)  # biases, norms
        self._shard = max(1, max(SHARD_TOKENS, SHARD_NUMBERS // widest) // config.tokens)
        self._image_mean, self._image_std = (
            self.constant(np.asarray(value, self.dtype)) for value in (config.image_mean, config.image_std)
        )

    @staticmethod
    def describe(config: Any) -> Chain:
        """A configuration -> the layers: images (B, height, width, C) -> logits (B, K), without a head the features."""
        raise NotImplementedError  # each model's own class says it

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """logits = model(images), in evaluation: images (B, height, width, C), normalised -> (B, K)."""
        return self.evaluate(self.layers, images)

    def forward(
        self, images: np.ndarray, rng: np.random.Generator | None = None, training: bool = False
    ) -> tuple[np.ndarray, Any]:
        """images (B, height, width, C), normalised -> logits (B, K) and the cache for one `backward`.

        rng: the source of dropout and drop path in training; without one nothing is dropped (evaluation).
        training: BatchNorm takes the statistics of these images, as it also does with an rng.
        Raises ValueError or TypeError, naming what was given and expected, for images that do not fit.
        """
        return super().forward(self.checked(images), rng, training)

    def loss_and_grads(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
    ) -> tuple[float, Arrays]:
        """The mean cross-entropy of a batch and its gradient for every parameter.

        labels (B,) class indices or (B, K) probabilities; rng: switches dropout and drop path on. BatchNorm takes the
        statistics of these images, and the new running ones come with the gradients, under the buffers' names.
        """
        logits, cache = self.forward(images, rng, training=True)
        labels = self.device.asarray(check_labels(labels, len(logits), self.config))
        ops = self.device.ops
        loss, loss_cache = ops.cross_entropy_forward(logits, labels, label_smoothing)
        grads, _ = self.backward(ops.cross_entropy_backward(1.0, loss_cache), cache, with_dx=False)
        return float(loss), grads

    def divisor(self, labels: np.ndarray) -> None:
        """What the loss of a whole batch with these labels is divided by, where that is no mean over its images: a
        detector has it (family/detector.py)."""

    def features(self, images: np.ndarray) -> np.ndarray:
        """What the head sees: images (B, height, width, C), normalised -> (B, F)."""
        return self.evaluate(Chain(*self.layers.parts[:2]), images)

    def attention_of(self, layers: Layer, images: np.ndarray) -> list[np.ndarray]:
        """The weights of each self-attention in any layers that read this model's numbers, as NumPy arrays."""
        maps = attention_maps(self.device.ops, self.arrays(layers), layers, self.checked(images))
        return [self.device.to_numpy(weights) for weights in maps]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Raw images, uint8 in 0 … 255 or floats in [0, 1], (B, height, width, C) -> class probabilities (B, K).

        Normalises with the configuration's image_mean and image_std. `predict(images).argmax(axis=1)` are the classes.
        """
        if not self.config.classes:
            raise ValueError("the model has no head (classes is 0), so no probabilities: use model.features(images)")
        return softmax_forward(self.on_raw(self, images))[0]

    def on_raw(
        self, function: Callable[[np.ndarray], np.ndarray], images: np.ndarray, workers: int | None = None
    ) -> np.ndarray:
        """`model` itself or `model.features` of any number of raw images, as a NumPy array (n, …).

        workers: the threads on a CPU, one a core unless told otherwise; the result is the same for any number.
        """
        check_pixels(images)
        check_shape(images, self.config)  # all of them, so that the error names the shape that was given

        def run(raw: np.ndarray) -> np.ndarray:
            return self.device.to_numpy(function(self.normalize(raw)))

        size = DEVICE_BATCH if self.device.threads == 1 else self._shard
        return in_shards(self.device, run, images, size, workers)

    def normalize(self, images: np.ndarray) -> np.ndarray:
        """Raw images, uint8 or floats in [0, 1] -> what the model was trained on, (pixel − image_mean) / image_std."""
        check_pixels(images)
        return normalize(self.device.asarray(images), self._image_mean, self._image_std)

    def evaluate(self, layers: Layer, images: np.ndarray) -> np.ndarray:
        """Any layers that read this model's numbers, of normalised images. A CPU's threads share the images."""
        images = self.checked(images)
        if self.device.threads == 1:
            return self.run(layers, images)
        return in_shards(self.device, lambda shard: self.run(layers, shard), images, self._shard, None)

    def checked(self, images: np.ndarray) -> np.ndarray:
        """Normalised images, as the model computes with them. Raises ValueError or TypeError for others."""
        return self.device.asarray(check_images(images, self.config, self.dtype))


class ViT(Classifier[ViTConfig]):
    """A Vision Transformer: `logits = model(images)`.

    config: the architecture; seed and init: how the parameters start (see parameters.py); dtype: np.float32 to
    train, np.float64 to check gradients; or the parameters themselves. `params` is a plain dict: replace its arrays
    as you like (by the device's own), but once a Trainer holds the model, write into them (`params[name][...] = …`).
    device: "cpu" for NumPy, "cuda" for a GPU, "emulator" for the GPU's kernels run on the CPU (see devices/). Where
    arrays are returned they are the device's own, CuPy's on "cuda"; `predict` and `attention` return NumPy's.
    `print(model.layers)` shows all of its layers, parameters and shapes.
    """

    Config = ViTConfig
    describe = staticmethod(vit)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """logits = model(images), in evaluation: images (B, height, width, C), normalised -> (B, K)."""
        return self._mean(super().__call__(images))

    def forward(
        self, images: np.ndarray, rng: np.random.Generator | None = None, training: bool = False
    ) -> tuple[np.ndarray, Any]:
        logits, cache = super().forward(images, rng, training)
        return self._mean(logits), cache

    forward.__doc__ = Classifier.forward.__doc__

    def backward(self, dlogits: np.ndarray, cache: Any, with_dx: bool = True) -> tuple[Arrays, np.ndarray | Any]:
        """`forward` in reverse: dlogits (B, K) -> the gradients (a dict like `params`) and dimages (like images).

        The cache is used up: it serves one backward. with_dx=False: without dimages, which then are None.
        """
        if self.config.distilled:
            dlogits = np.stack((dlogits / 2,) * 2, axis=1)
        return super().backward(dlogits, cache, with_dx)

    def both_logits(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A distilled model's two opinions, from the class token and the distillation token: (B, K) each."""
        self._check_two_heads()
        return tuple(self.evaluate(self.layers, images).swapaxes(0, 1))

    def forward_both(
        self, images: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[tuple[np.ndarray, np.ndarray], Any]:
        """As `forward`, but the logits of both heads, for a loss of its own on each, and the cache for the next."""
        self._check_two_heads()
        logits, cache = super().forward(images, rng)
        return tuple(logits.swapaxes(0, 1)), cache

    def backward_both(
        self, dlogits: tuple[np.ndarray, np.ndarray], cache: Any, with_dx: bool = True
    ) -> tuple[Arrays, np.ndarray | Any]:
        """`forward_both` in reverse: the gradients of both heads' logits -> the gradients and dimages (or None)."""
        return super().backward(np.stack(dlogits, axis=1), cache, with_dx)

    def features(self, images: np.ndarray) -> np.ndarray:
        """What the head sees: images (B, height, width, C), normalised -> (B, F). Of two heads, the mean of both."""
        return self._mean(super().features(images))

    def tokens(self, images: np.ndarray) -> np.ndarray:
        """Every token at the end: images (B, height, width, C), normalised -> (B, N, D), config.prefix_tokens before
        the patches. They have gone through the last norm, but with pool "gap", whose norm is for their mean alone."""
        last = [] if self.config.pool == "gap" else [final_norm(self.config)]
        return self.evaluate(Chain(encoder(self.config), *last), images)

    def attention(self, images: np.ndarray) -> np.ndarray:
        """Where every head looks: images (B, height, width, C), normalised -> (L, B, H, N, N), rows sum to 1.

        The patches follow, in reading order, after config.prefix_tokens others: class token, distillation, registers.
        """
        maps = self.attention_of(encoder(self.config), images)
        if self.config.attention == "axial":  # a token takes from its column, which has taken from the rows
            maps = [columns @ rows for rows, columns in zip(maps[::2], maps[1::2], strict=True)]
        return np.stack(maps)

    def _mean(self, logits: np.ndarray) -> np.ndarray:
        """A distilled model's answer is the mean of both (DeiT, arXiv 2012.12877, section 5.3); else it is the one."""
        return (logits[:, 0] + logits[:, 1]) / 2 if self.config.distilled else logits

    def _check_two_heads(self) -> None:
        if not self.config.distilled:
            raise ValueError("the model has one head: logits of two need a configuration with distilled=True")
