"""What the page shows of a model that reads one drawing: plain functions that return arrays.

Images are raw here, (1, height, width, 1) uint8, as `model.predict` takes them. Any classifier answers, has a gradient
on its pixels, and is shown with its attention where it has some; what a ViT has besides (the lens) is None elsewhere.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..layers import Chain, Layer, Peek
from ..model import Classifier, ViT
from ..model.attention_maps import attention_maps, noting
from ..model.vit import embedding, encoder, features, head


class Seen(NamedTuple):
    """What a model makes of one image."""

    logits: np.ndarray  # (K,)
    maps: list[np.ndarray]  # (H, queries, keys) a block; rows sum to 1, in Swin less what goes to padding; [] without
    lens: np.ndarray | None  # (1 + L, K): the logits that the head would give before block 1, after it, …, after L


def see(model: Classifier, image: np.ndarray) -> Seen:
    """One forward, with what it passes on the way."""
    return _see_vit(model, image) if isinstance(model, ViT) else _see_other(model, image)


def _see_vit(model: ViT, image: np.ndarray) -> Seen:
    """The head is asked what it would say of the tokens after each block: it is the same head, on unfinished tokens
    (nostalgebraist's "logit lens" of language models, 2020)."""
    config, parts, start = model.config, encoder(model.config).parts, len(embedding(model.config))
    states: list[np.ndarray] = []
    keep = Peek("z", lambda _, z: states.append(z))
    watched = Chain(*parts[:start], keep, *(layer for block in parts[start:] for layer in (block, keep)))
    maps = attention_maps(model.device.ops, model.arrays(watched), watched, model.normalize(image))
    lens = model.run(Chain(features(config), *head(config)), np.concatenate(states))
    if config.distilled:
        lens = lens.mean(axis=1)  # two heads: their mean
    if config.attention == "axial":  # a token takes from its column, which has taken from the rows
        maps = [columns @ rows for rows, columns in zip(maps[::2], maps[1::2], strict=True)]
    return Seen(lens[-1], [weights[0] for weights in maps], lens)


def _see_other(model: Classifier, image: np.ndarray) -> Seen:
    """Attention within windows (Swin) or between every P-th token (MobileViT) is laid out on the whole grid."""
    maps: list[np.ndarray] = []
    groups: list[np.ndarray] = []  # (G, n): which place of the grid each token of each group has, 0 for none

    def windows(x: np.ndarray, grid: tuple[int, int], **options: Any) -> None:
        places = np.arange(1.0, 1 + math.prod(grid)).reshape(1, -1, 1)
        groups[:] = [ops.windows_forward(places, grid, **options)[0][0, :, :, 0]]

    def unfold(x: np.ndarray, **options: Any) -> None:
        places = np.arange(1.0, 1 + math.prod(x.shape[1:3])).reshape(1, *x.shape[1:3], 1)
        groups[:] = [ops.unfold_forward(places, **options)[0][:, :, 0]]

    def attention(qkv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1, **_: Any) -> None:
        weights = ops.self_attention_weights(qkv, bias, heads)
        maps.append(on_grid(weights, groups[0].astype(int)) if groups else weights[0])

    def cross_attention(
        q: np.ndarray, kv: np.ndarray, bias: np.ndarray | None = None, heads: int = 1, **_: Any
    ) -> None:
        maps.append(ops.cross_attention_weights(q, kv, bias, heads)[0])

    def whole(x: np.ndarray, *_: Any, **__: Any) -> None:
        groups.clear()

    notes = dict(windows_forward=windows, unfold_forward=unfold, unwindows_forward=whole, fold_forward=whole)
    notes |= dict(self_attention_forward=attention, cross_attention_forward=cross_attention)
    watched, images = noting(model.device.ops, **notes), model.checked(model.normalize(image))
    return Seen(model.layers(watched, model.arrays(model.layers), images)[0], maps, None)


def on_grid(weights: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Attention within groups, (…, H, n, n) for G groups, and the tokens' places (G, n) from 1 on, 0 for none -> on the
    whole grid (H, N, N)."""
    weights = weights.reshape(len(places), *weights.shape[-3:])
    N = places.max()
    full = np.zeros((weights.shape[1], 1 + N, 1 + N), weights.dtype)
    for group, at in zip(weights, places, strict=True):
        full[:, at[:, None], at] = group
    return full[:, 1:, 1:]


def pixel_gradient(model: Classifier, image: np.ndarray, k: int) -> tuple[float, np.ndarray]:
    """Which ink speaks for class k: the logarithm of its odds, log(p / (1 − p)) = z_k − log Σ_{j≠k} exp z_j, and the
    gradient of that by every pixel in [0, 1], (height, width). Unlike that of p it does not vanish where p is near 1.
    """
    logits, cache = model.forward(model.normalize(image))
    others = np.delete(logits[0].astype(np.float64), k)
    p, _ = ops.softmax_forward(others[None])
    slope = np.insert(-p[0], k, 1.0)  # of the odds by the logits
    _, dimages = model.backward(slope[None].astype(model.dtype), cache)
    odds = float(logits[0, k]) - float(others.max() + np.log(np.exp(others - others.max()).sum()))
    std = np.asarray(model.config.image_std, model.dtype)  # the model saw (pixel − mean) / std
    return odds, (dimages / std).sum(axis=-1)[0]


def altered(model: ViT, root: bool, positions: bool) -> ViT:
    """The model without the 1/√d of its attention, or without its positions, or both.

    Scores are q·k/√d: with queries that are √d times as long they are q·k. A table of zeros says of no patch where it
    is. Raises ValueError for a model that cannot be altered so.
    """
    if why := unalterable(model):
        raise ValueError(why)
    config, params = model.config, model.numpy_params()
    if not root:
        scale = np.ones(3 * config.width, model.dtype)
        scale[: config.width] = math.sqrt(config.width / config.heads)
        params |= {name: array * scale for name, array in params.items() if ".attn.qkv." in name}
    if not positions:
        params |= {name: np.zeros_like(array) for name, array in params.items() if name.startswith("pos_embed")}
    return ViT(config, params=params)


def unalterable(model: Classifier) -> str:
    """Why √d and positions cannot be switched off; an empty text where they can."""
    if not isinstance(model, ViT):
        return f"a {type(model).__name__} has other attention and positions than a plain ViT: they stay on"
    if model.config.attention != "full" or model.config.position not in ("1d", "2d"):
        return (
            f"this ViT has {model.config.attention} attention and position {model.config.position!r}: "
            'they can be switched off for full attention and "1d" or "2d"'
        )
    return ""


def grid_of(tokens: int, prefix: int | None = None) -> tuple[int, int]:
    """How many tokens stand before a square grid, and its side; a side of 0 where the tokens are no such grid."""
    if prefix is None:
        prefix = tokens - math.isqrt(tokens) ** 2
    side = math.isqrt(tokens - prefix)
    return prefix, side if side**2 == tokens - prefix and prefix <= 8 else 0


def layers_of(model: Classifier) -> Layer:
    """All of a model's layers, the last block of a ViT with every token, so that each can be looked at."""
    return type(model).describe(model.config, every_token=True) if isinstance(model, ViT) else model.layers
