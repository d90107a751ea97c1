"""What one asks of a masked autoencoder: its predictions, its loss, its encoder as a ViT. mae.py describes it."""

import dataclasses
import math
from typing import Any

import numpy as np

from .. import ops
from ..layers import Arrays, Chain, Op
from ..model import Classifier, ViT, ViTConfig
from ..model.parameters import start
from ..model.vit import head_names, vit
from .mae import ORDER, RESTORE, MAEConfig, encoder, mae, target


class MAE(Classifier[MAEConfig]):
    """A masked autoencoder: `prediction, mask = mae(images, rng)`. Its arguments are a ViT's.

    rng draws the noise that decides which patches are kept; or give it: noise (B, N), as from rng.random((B, N)); those
    with the smallest are kept. `mae.vit(classes)` is the encoder, to be trained on.
    """

    Config = MAEConfig
    describe = staticmethod(mae)

    def __call__(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """images (B, height, width, C), normalised -> prediction (B, N, P·P·C), of every patch, in reading order, each
        (row, column, channel); and the mask (B, N), 1 where the patch was hidden. Predicted are pixels as the model
        sees them, with normalize_pixels those of a patch with mean 0 and variance 1."""
        images = self.checked(images)
        named, mask = self._masking(len(images), rng, noise)
        return self.layers(self.device.ops, self.arrays(self.layers) | named, images), mask

    def forward(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> tuple[tuple[np.ndarray, np.ndarray], Any]:
        """As the call: (prediction, mask), and the cache for one `backward`, which is given dprediction.

        The images' gradient that `backward` gives is that through the prediction: the target held.
        """
        images = self.checked(images)
        named, mask = self._masking(len(images), rng, noise)
        prediction, cache = self.layers.forward(self.device.ops, self.arrays(self.layers) | named, images)
        return (prediction, mask), cache

    def loss_and_grads(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> tuple[float, Arrays]:
        """The mean squared error of the hidden patches, and its gradient for every parameter."""
        loss, grads, _, _ = self._loss_and_all_grads(images, rng, noise)
        return loss, grads

    def image_grads(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The loss's gradient for the images, (B, height, width, C), twice: with the target held, and with all of it,
        for the target is made of the images, too."""
        _, _, held, through_target = self._loss_and_all_grads(images, rng, noise)
        return held, held + through_target

    def loss(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> float:
        """The loss alone."""
        prediction, mask = self(images, rng, noise)
        return float(self.device.ops.masked_mse_forward(prediction, self.target(images), mask)[0])

    def target(self, images: np.ndarray) -> np.ndarray:
        """What the decoder is to say of normalised images: (B, height, width, C) -> (B, N, P·P·C)."""
        return self.run(target(self.config), self.checked(images))

    def features(self, images: np.ndarray) -> np.ndarray:
        """The class token when nothing is hidden, normalised: images (B, height, width, C), normalised -> (B, D)."""
        return self.evaluate(Chain(encoder(self.config), Op("pool", kind="cls")), images)

    def attention(self, images: np.ndarray) -> np.ndarray:
        """Where the encoder's heads look when nothing is hidden: -> (L, B, H, 1 + N, 1 + N), rows sum to 1."""
        return np.stack(self.attention_of(encoder(self.config), images))

    def fill_in(
        self, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Raw images -> what the model makes of every patch, raw floats in [0, 1], and the pixels that were hidden,
        True (B, height, width, 1). To look at: NumPy arrays. With normalize_pixels a patch is given its true mean and
        variance, as the paper's pictures are."""
        config, to_numpy = self.config, self.device.to_numpy
        normalised = self.normalize(images)
        prediction, mask = map(to_numpy, self(normalised, rng, noise))
        if config.normalize_pixels:
            patches, _ = ops.patchify_forward(to_numpy(normalised), config.patch_size)
            deviation = np.sqrt(patches.var(axis=-1, ddof=1, keepdims=True) + 1e-6)
            prediction = prediction * deviation + patches.mean(axis=-1, keepdims=True)
        pixels = ops.unpatchify(prediction, config.image_size, config.patch_size)
        squares = mask[:, :, None].repeat(math.prod(config.patch_size), axis=2)
        hidden = ops.unpatchify(squares, config.image_size, config.patch_size)
        mean, std = to_numpy(self._image_mean), to_numpy(self._image_std)
        return np.clip(pixels * std + mean, 0, 1), hidden == 1

    def vit(self, classes: int, pool: str = "gap", **changes: Any) -> ViT:
        """The encoder as a ViT with a head of zeros, to be fine-tuned, or probed with pool="cls" or "norm_gap".

        pool "gap" is the authors' fine-tuning: the mean of the patches, and a new norm after it. The positions are
        parameters from now on. changes: ViTConfig's further options, such as drop_path.
        """
        own, names = self.config.to_dict(), {field.name for field in dataclasses.fields(ViTConfig)}
        options = {name: value for name, value in own.items() if name in names}
        config = ViTConfig(**options | {"classes": classes, "pool": pool, "class_token": True} | changes)
        fresh = start(vit(config), dtype=self.dtype)
        known = {name: array.copy() for name, array in self.numpy_arrays().items() if name in fresh}
        heads = {name: np.zeros_like(x) for name, x in fresh.items() if name.rpartition(".")[0] in head_names(config)}
        return ViT(config, params=fresh | known | heads, device=self.device.name)

    def _masking(self, B: int, rng: np.random.Generator | None, noise: np.ndarray | None) -> tuple[Arrays, np.ndarray]:
        """What the layers read besides parameters, and the mask (B, N)."""
        shape = B, self.config.patches
        if (rng is None) == (noise is None):
            raise ValueError(f"{'neither' if rng is None else 'both'} of rng and noise given: one decides what is kept")
        if noise is None:
            noise = rng.random(shape)
        elif np.shape(noise) != shape:
            raise ValueError(f"noise has shape {np.shape(noise)}, expected {shape}: a number a patch")
        elif isinstance(noise, np.ndarray) and not np.isfinite(noise).all():
            raise ValueError("noise holds NaN or infinity: what is kept would depend on how they are sorted")
        order, restore = ops.shuffle(self.device.asarray(noise))
        return {ORDER: order, RESTORE: restore}, (restore >= self.config.kept).astype(self.dtype)

    def _loss_and_all_grads(
        self, images: np.ndarray, rng: np.random.Generator | None, noise: np.ndarray | None
    ) -> tuple[float, Arrays, np.ndarray, np.ndarray]:
        """The loss, the parameters' gradients, and the images' through the prediction and through the target."""
        ops, teaching = self.device.ops, target(self.config)
        images = self.checked(images)
        (prediction, mask), cache = self.forward(images, rng, noise)
        patches, target_cache = teaching.forward(ops, {}, images)
        loss, loss_cache = ops.masked_mse_forward(prediction, patches, mask)
        dprediction, dpatches = ops.masked_mse_backward(1.0, loss_cache)
        grads, held = self.backward(dprediction, cache)
        through_target, _ = teaching.backward(ops, dpatches, target_cache)
        return float(loss), grads, held, through_target
