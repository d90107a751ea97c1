"""Weight standardisation: every filter of a convolution is centred and scaled before it is used (arXiv 1903.10520)."""

import numpy as np


def weight_standardisation_forward(weight: np.ndarray, eps: float = 1e-5) -> tuple[np.ndarray, tuple]:
    """y = (w − μ) / (σ + ε),   with μ and σ of each filter, over (kh, kw, C).

    weight (kh, kw, C, O) -> the same shape. ε is added to σ, not under the root: so does Google's ResNet
    (vision_transformer/vit_jax/models_resnet.py). Cached: y, σ and σ + ε.
    """
    filters = weight.reshape(-1, weight.shape[-1])
    centred = filters - filters.mean(axis=0)
    std = np.sqrt((centred * centred).mean(axis=0))
    y = centred / (std + eps)
    return y.reshape(weight.shape), (y, std, std + eps)


def weight_standardisation_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """With c = w − μ and s = σ + ε, y = c/s; σ depends on c by ∂σ/∂c_i = c_i / (n σ), therefore

    dw_i = (dy_i − mean(dy)) / s − y_i mean(dy y) / σ,   for n numbers a filter; the means are over these.

    dy (kh, kw, C, O) -> dweight, like it. A filter of equal weights has σ = y = 0, and no second term.
    """
    y, std, scale = cache
    dfilters = dy.reshape(y.shape)
    dw = (dfilters - dfilters.mean(axis=0)) / scale
    dw -= y * ((dfilters * y).mean(axis=0) / np.where(std > 0, std, 1))
    return dw.reshape(dy.shape)
