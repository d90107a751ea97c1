"""The Vision Transformer, top to bottom (Dosovitskiy et al., arXiv 2010.11929):

    z₀ = [cls | patches E] + positions                     embedding.py
    z' = z + MSA(LN(z)),  z = z' + MLP(LN(z'))             block.py, L times
    logits = LN(cls or mean of z_L) W + b                  head.py

A model is a configuration and a flat dict of parameters; the gradients are a dict with the same keys.
"""

import os
from collections.abc import Callable

import numpy as np

from ..devices import get_device
from ..devices.workers import in_shards
from ..ops import softmax_forward
from .block import block_attention, block_backward, block_forward, relative_index
from .config import ViTConfig
from .embedding import embedding_backward, embedding_forward, fixed_positions
from .files import load_model, save_model
from .head import features_backward, features_forward, final_norm_forward, heads_backward, heads_forward
from .images import check_images, check_labels, check_pixels, check_shape, normalize
from .init import init_parameters
from .shapes import count_parameters

SHARD_TOKENS = 800  # in evaluation a CPU's thread takes as many images as have these: products large, memory small
DEVICE_BATCH = 100  # images at a time to a GPU, so that its memory need not grow with their number


class ViT:
    """A Vision Transformer: `logits = model(images)`.

    config: the architecture; seed and init: how the parameters start (see init.py); dtype: np.float32 to train,
    np.float64 to check gradients; or the parameters themselves. `params` is a plain dict: replace its arrays
    as you like (by the device's own), but once a Trainer holds the model, write into them (`params[name][...] = …`).
    device: "cpu" for NumPy, "cuda" for a GPU, "emulator" for the GPU's kernels run on the CPU (see devices/). Where
    arrays are returned they are the device's own, CuPy's on "cuda"; `predict` and `attention` return NumPy's.
    """

    def __init__(
        self,
        config: ViTConfig,
        seed: int = 0,
        dtype: type = np.float32,
        init: str = "timm",
        params: dict[str, np.ndarray] | None = None,
        device: str = "cpu",
    ) -> None:
        if params is not None:
            dtype = params["patch_embed.proj.weight"].dtype
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise ValueError(f"dtype is {np.dtype(dtype)}, expected float32 or float64")
        self.config = config
        self.device = get_device(device)
        params = init_parameters(config, seed, dtype, init) if params is None else params
        self.params = {name: self.device.asarray(array) for name, array in params.items()}
        self.dtype = self.params["patch_embed.proj.weight"].dtype
        self._shard = max(1, SHARD_TOKENS // config.tokens)
        self._waves = self._constant(fixed_positions(self.device.ops, config, self.dtype))
        self._relative_index = self._constant(relative_index(self.device.ops, config))
        self._image_mean, self._image_std = (
            self._constant(np.asarray(value, self.dtype)) for value in (config.image_mean, config.image_std)
        )

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """logits = model(images), in evaluation: images (B, height, width, C), normalised -> (B, K)."""
        return _mean(self._forward(images)[0])

    def forward(self, images: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, tuple]:
        """images (B, height, width, C), normalised -> logits (B, K) and the cache for `backward`.

        rng: the source of dropout and drop path in training; without one nothing is dropped (evaluation).
        Raises ValueError or TypeError, naming what was given and expected, for images that do not fit.
        """
        logits, cache = self._forward(images, rng, keep=True)
        return _mean(logits), cache

    def backward(self, dlogits: np.ndarray, cache: tuple) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """`forward` in reverse: dlogits (B, K) -> the gradients (a dict like `params`) and dimages (like images)."""
        heads = 1 + self.config.distilled
        return self._backward((dlogits / heads,) * heads, cache)

    def both_logits(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A distilled model's two opinions, from the class token and the distillation token: (B, K) each."""
        self._check_two_heads()
        return self._forward(images)[0]

    def forward_both(
        self, images: np.ndarray, rng: np.random.Generator | None = None
    ) -> tuple[tuple[np.ndarray, np.ndarray], tuple]:
        """As `forward`, but the logits of both heads, for a loss of its own on each, and the cache for the next."""
        self._check_two_heads()
        return self._forward(images, rng, keep=True)

    def backward_both(
        self, dlogits: tuple[np.ndarray, np.ndarray], cache: tuple
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """`forward_both` in reverse: the gradients of both heads' logits -> the gradients and dimages."""
        return self._backward(tuple(dlogits), cache)

    def _check_two_heads(self) -> None:
        if not self.config.distilled:
            raise ValueError("the model has one head: logits of two need a configuration with distilled=True")

    def _forward(
        self, images: np.ndarray, rng: np.random.Generator | None = None, keep: bool = False
    ) -> tuple[tuple[np.ndarray, ...], tuple]:
        """The logits of each head, and the cache for `_backward`, which needs keep=True."""
        x, embedding, blocks = self._last_tokens(images, rng, keep)
        x, features = features_forward(self.device.ops, x, self.params, self.config)
        logits, heads = heads_forward(self.device.ops, x, self.params, self.config)
        return logits, (embedding, blocks, features, heads)

    def _backward(self, dlogits: tuple[np.ndarray, ...], cache: tuple) -> tuple[dict[str, np.ndarray], np.ndarray]:
        ops, config, (embedding, blocks, features, heads) = self.device.ops, self.config, cache
        dx, grads = heads_backward(ops, dlogits, heads, config)
        dx, features_grads = features_backward(ops, dx, features, config)
        grads |= features_grads
        for i in reversed(range(config.depth)):
            dx, block_grads = block_backward(ops, dx, blocks[i])
            grads |= {f"blocks.{i}.{short}": grad for short, grad in block_grads.items()}
        dimages, embedding_grads = embedding_backward(ops, dx, embedding, config)
        grads |= embedding_grads
        return {name: grads[name] for name in self.params}, dimages

    def loss_and_grads(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        rng: np.random.Generator | None = None,
        label_smoothing: float = 0.0,
    ) -> tuple[float, dict[str, np.ndarray]]:
        """The mean cross-entropy of a batch and its gradient for every parameter.

        labels (B,) class indices or (B, K) probabilities; rng: switches dropout and drop path on.
        """
        logits, cache = self.forward(images, rng)
        labels = self.device.asarray(check_labels(labels, len(logits), self.config))
        ops = self.device.ops
        loss, loss_cache = ops.cross_entropy_forward(logits, labels, label_smoothing)
        grads, _ = self.backward(ops.cross_entropy_backward(1.0, loss_cache), cache)
        return float(loss), grads

    def features(self, images: np.ndarray) -> np.ndarray:
        """What the head sees: images (B, height, width, C), normalised -> (B, F). Of two heads, the mean of both."""
        x, *_ = self._last_tokens(images)
        features, _ = features_forward(self.device.ops, x, self.params, self.config)
        return features.mean(axis=1) if self.config.distilled else features

    def tokens(self, images: np.ndarray) -> np.ndarray:
        """Every token at the end: images (B, height, width, C), normalised -> (B, N, D), config.prefix_tokens before
        the patches. They have gone through the last norm, but with pool "gap", whose norm is for their mean alone."""
        x, *_ = self._last_tokens(images)
        return x if self.config.pool == "gap" else final_norm_forward(self.device.ops, x, self.params, self.config)[0]

    def _last_tokens(
        self, images: np.ndarray, rng: np.random.Generator | None = None, keep: bool = False
    ) -> tuple[np.ndarray, tuple | None, list]:
        """z_L (B, N, D) and, with `keep`, the caches. Without, in evaluation, a CPU's threads share the images."""
        images = self.device.asarray(check_images(images, self.config, self.dtype))
        if keep or self.device.threads == 1:
            return self._encode(images, rng, keep)
        return in_shards(self.device, lambda shard: self._encode(shard)[0], images, self._shard, None), None, []

    def _encode(
        self, images: np.ndarray, rng: np.random.Generator | None = None, keep: bool = False
    ) -> tuple[np.ndarray, tuple | None, list]:
        """`_last_tokens`, in one piece. Without `keep` each cache is let go at once, and a deep model needs no more
        memory than one of its blocks."""
        ops, blocks = self.device.ops, []
        x, embedding = self._embed(images, rng)
        embedding = embedding if keep else None
        for i, p in enumerate(self._block_params()):
            x, cache = block_forward(ops, x, p, self.config, self.config.drop_path_rate(i), self._relative_index, rng)
            if keep:
                blocks.append(cache)
            del cache
        return x, embedding, blocks

    def _embed(self, images: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, tuple]:
        return embedding_forward(self.device.ops, images, self.params, self.config, self._waves, rng)

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

    def attention(self, images: np.ndarray) -> np.ndarray:
        """Where every head looks: images (B, height, width, C), normalised -> (L, B, H, N, N), rows sum to 1.

        The patches follow, in reading order, after config.prefix_tokens others: class token, distillation, registers.
        """
        ops, index, maps = self.device.ops, self._relative_index, []
        x, _ = self._embed(self.device.asarray(check_images(images, self.config, self.dtype)))
        for p in self._block_params():
            maps.append(block_attention(ops, x, p, self.config, index))
            x, _ = block_forward(ops, x, p, self.config, relative_index=index)
        return self.device.to_numpy(np.stack(maps))

    def _block_params(self) -> list[dict[str, np.ndarray]]:
        """Each block's parameters by their short names: params["blocks.2.norm1.weight"] -> [2]["norm1.weight"]."""
        blocks: list[dict[str, np.ndarray]] = [{} for _ in range(self.config.depth)]
        for name, array in self.params.items():
            if name.startswith("blocks."):
                _, i, short = name.split(".", 2)
                blocks[int(i)][short] = array
        return blocks

    def _constant(self, array: np.ndarray | None) -> np.ndarray | None:
        """What every forward needs and no training changes is brought to the device once."""
        return None if array is None else self.device.asarray(array)

    def numpy_params(self) -> dict[str, np.ndarray]:
        """`params` as NumPy arrays, wherever the model computes."""
        return {name: self.device.to_numpy(array) for name, array in self.params.items()}

    def save(self, path: str | os.PathLike) -> None:
        """Write configuration and parameters to a .npz (no pickle; a temporary file, then renamed)."""
        save_model(path, self.config, self.numpy_params())

    @classmethod
    def load(cls, path: str | os.PathLike, device: str = "cpu") -> "ViT":
        """Read a model that `save` wrote, or the model in a training checkpoint. Raises ValueError for other files."""
        config, params = load_model(path)
        return cls(config, params=params, device=device)

    def __repr__(self) -> str:
        c = self.config
        return (
            f"ViT({c.width} wide, {c.depth} blocks, {c.heads} heads, {count_parameters(c):,} parameters, {self.dtype})"
        )


def _mean(logits: tuple[np.ndarray, ...]) -> np.ndarray:
    """A distilled model's answer is the mean of both (DeiT, arXiv 2012.12877, section 5.3); else it is the one."""
    return logits[0] if len(logits) == 1 else (logits[0] + logits[1]) / 2
