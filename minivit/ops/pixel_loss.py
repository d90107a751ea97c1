"""What a masked autoencoder learns from: the pixels of the patches that it has not seen (MAE, arXiv 2111.06377).

target = patches, or (patches − mean) / √(variance + ε), each patch by itself
loss   = Σ mask · mean((prediction − target)²) / Σ mask
"""

import numpy as np


def standardise_patches_forward(patches: np.ndarray, eps: float = 1e-6) -> tuple[np.ndarray, tuple]:
    """y = (x − μ) / √(σ² + ε), with μ and σ² of each patch, and σ² the unbiased one: divided by numbers a patch less 1.

    patches (B, N, n), n ≥ 2 -> the same shape. Cached: y, and 1/√(σ² + ε).
    """
    centred = patches - patches.mean(axis=-1, keepdims=True)
    variance = (centred * centred).sum(axis=-1, keepdims=True) / (patches.shape[-1] - 1)
    rstd = 1 / np.sqrt(variance + eps)
    y = centred * rstd
    return y, (y, rstd)


def standardise_patches_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """A LayerNorm's, but that the variance was divided by n − 1:   dx = (dy − mean(dy) − y Σ dy y / (n − 1)) / √…"""
    y, rstd = cache
    along = (dy * y).sum(axis=-1, keepdims=True) / (y.shape[-1] - 1)
    return rstd * (dy - dy.mean(axis=-1, keepdims=True) - y * along)


def masked_mse_forward(prediction: np.ndarray, target: np.ndarray, mask: np.ndarray) -> tuple[np.floating, tuple]:
    """The mean squared error of the masked patches, each with the same weight.

    prediction and target (B, N, n); mask (B, N), 1 where the patch was left out, else 0. Cached: the difference, mask.
    """
    difference = prediction - target
    errors = (difference * difference).mean(axis=-1)
    return (mask * errors).sum() / mask.sum(), (difference, mask)


def masked_mse_backward(dloss: float, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """dprediction = dloss · 2 mask (prediction − target) / (n Σ mask), and dtarget, its negative."""
    difference, mask = cache
    weight = mask[:, :, None] * (2 * dloss / difference.shape[-1]) / mask.sum()
    dprediction = weight * difference
    return dprediction, -dprediction
