"""Where the model looks: head by head, traced through all blocks (rollout), and how far.

A token is looked at by others (a column of a map) and looks at others (a row). What decides in the end are the tokens
that the head reads: the class token, with a distillation token both, and with mean pooling all patches.
"""

from collections.abc import Sequence

import numpy as np

from ..messages import choices
from ..model import ViT, ViTConfig

FUSIONS = {"mean": np.mean, "max": np.max, "min": np.min}
BATCH = 8  # images at a time, where only a mean over images is kept


def attention_maps(model: ViT, images: np.ndarray) -> np.ndarray:
    """What the tokens that the head reads look at: raw images (B, height, width, C) -> (L, B, H, gh, gw).

    Every block and every head by itself. A map sums to 1 less what goes to tokens that are no patches (class,
    distillation, registers). With mean pooling each patch has an equal say: the mean over the patches that look.
    """
    return seen_by_head(model.attention(model.normalize(images)), model.config)


def class_attention(model: ViT, images: np.ndarray) -> np.ndarray:
    """`attention_maps` of the last block: raw images (B, height, width, C) -> (B, H, gh, gw)."""
    return attention_maps(model, images)[-1]


def seen_by_head(matrix: np.ndarray, config: ViTConfig) -> np.ndarray:
    """Who looks at whom, (…, N, N) -> what the tokens that the head reads look at, among the patches: (…, gh, gw)."""
    gh, gw = config.grid
    seen = matrix[..., readers(config), :].mean(axis=-2)
    return seen[..., -gh * gw :].reshape(*matrix.shape[:-2], gh, gw)  # the patches are the last tokens


def readers(config: ViTConfig) -> slice:
    """The tokens that the head reads: the first (cls), the first two (cls and dist), or the patches. Of a class token
    beside the mean of the patches it is the class token that is shown."""
    if config.pool.startswith("cls"):
        return slice(0, 1 + config.distilled)
    return slice(config.tokens - config.grid[0] * config.grid[1], config.tokens)


def who_looks(config: ViTConfig) -> str:
    """`readers` in words, for titles."""
    if not config.pool.startswith("cls"):
        return "the patches look, on average,"
    return "the class and distillation tokens look" if config.distilled else "the class token looks"


def attention_rollout(model: ViT, images: np.ndarray, fusion: str = "mean", discard: float = 0.0) -> np.ndarray:
    """How much of each input token reaches each output token: raw images -> (B, N, N), rows sum to 1.

    See `rollout` for fusion and discard; `seen_by_head` makes maps (B, gh, gw) of the result.
    """
    return rollout(model.attention(model.normalize(images)), fusion, discard)


def rollout(weights: np.ndarray | Sequence[np.ndarray], fusion: str = "mean", discard: float = 0.0) -> np.ndarray:
    """Ã_L … Ã_2 Ã_1, with Ã = (A + I)/2 (Abnar and Zuidema, arXiv 2005.00928): (L, B, H, N, N) -> (B, N, N).

    I stands for the residual connection. A is one matrix for all heads: their "mean" (the paper's), "max" or "min".
    discard: this part of each row's entries, the smallest, is set to 0 first, so that many faint looks do not drown the
    strong ones. The rows of "max", "min" and of what is left after discarding are brought back to a sum of 1.
    """
    if fusion not in FUSIONS:
        raise ValueError(f"fusion is {fusion!r}, {choices(fusion, FUSIONS)}")
    if not 0 <= discard < 1:
        raise ValueError(f"discard is {discard!r}, expected a part in [0, 1)")
    N = weights[0].shape[-1]
    total, identity = None, np.eye(N, dtype=weights[0].dtype)
    for block in weights:
        fused = FUSIONS[fusion](block, axis=1)  # (B, N, N)
        if smallest := int(discard * N):
            np.put_along_axis(fused, np.argsort(fused, axis=-1)[..., :smallest], 0, axis=-1)
        fused /= np.maximum(fused.sum(axis=-1, keepdims=True), np.finfo(fused.dtype).tiny)
        step = fused + identity
        step /= step.sum(axis=-1, keepdims=True)
        total = step if total is None else step @ total
    return total


def attention_distance(model: ViT, images: np.ndarray) -> np.ndarray:
    """How far each head looks, in pixels: raw images (B, height, width, C) -> (L, H), the mean over images and patches.

    ViT, Figure 11: the distance from a patch to every patch (middle to middle), weighted by the attention. What goes
    to tokens that have no place (class, distillation, registers) is left out, and the rest brought back to a sum of 1.
    A head that spreads its attention evenly has `even_distance`.
    """
    total = 0
    for start in range(0, len(images), BATCH):
        part = images[start : start + BATCH]
        total = total + len(part) * mean_distance(model.attention(model.normalize(part)), model.config)
    return total / len(images)


def mean_distance(weights: np.ndarray | Sequence[np.ndarray], config: ViTConfig) -> np.ndarray:
    """`attention_distance` from the attention itself: (L, B, H, N, N) -> (L, H)."""
    distances = patch_distances(config).astype(weights[0].dtype)
    patches = len(distances)

    def of_block(block: np.ndarray) -> np.ndarray:
        block = block[..., -patches:, -patches:]
        distance = np.einsum("bhqk,qk->bhq", block, distances)
        return (distance / np.maximum(block.sum(axis=-1), np.finfo(block.dtype).tiny)).mean(axis=(0, 2))

    return np.stack([of_block(block) for block in weights])


def patch_distances(config: ViTConfig) -> np.ndarray:
    """The Euclidean distance between the middles of any two patches, in pixels of the image: (gh·gw, gh·gw)."""
    gh, gw = config.grid
    pitch = np.divide(config.image_size, config.grid)  # the patch size; with a stem, that of a place of its map
    places = np.stack(np.mgrid[:gh, :gw], axis=-1).reshape(-1, 2) * pitch
    return np.linalg.norm(places[:, None] - places, axis=-1)


def even_distance(config: ViTConfig) -> float:
    """The attention distance, in pixels, of a head that gives every patch the same attention."""
    return float(patch_distances(config).mean())
