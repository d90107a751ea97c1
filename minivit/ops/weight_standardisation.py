"""Weight standardisation: every filter of a convolution is centred and scaled before it is used (arXiv 1903.10520)."""

import numpy as np


def weight_standardisation_forward(
    weight: np.ndarray, eps: float = 1e-5, under_root: bool = False
) -> tuple[np.ndarray, tuple]:
    """y = (w − μ) / s,   s = σ + ε or, under the root, √(σ² + ε),   with μ and σ of each filter, over (kh, kw, C).

    weight (kh, kw, C, O) -> the same shape. Google's ResNet adds ε to σ (vision_transformer/vit_jax/models_resnet.py),
    timm's takes it under the root (timm/layers/std_conv.py).
    """
    filters = weight.reshape(-1, weight.shape[-1])
    centred = filters - filters.mean(axis=0)
    std = np.sqrt((centred * centred).mean(axis=0))
    scale = np.sqrt(std * std + eps) if under_root else std + eps
    y = centred / scale
    return y.reshape(weight.shape), (y, scale if under_root else std, scale)


def weight_standardisation_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """With c = w − μ, y = c/s; s depends on c by ∂s/∂c_i = c_i / (n r), r = σ or, with ε under the root, s; therefore

    dw_i = (dy_i − mean(dy)) / s − y_i mean(dy y) / r,   for n numbers a filter; the means are over these.

    dy (kh, kw, C, O) -> dweight, like it. A filter of equal weights has σ = y = 0, and no second term.
    """
    y, root, scale = cache
    dfilters = dy.reshape(y.shape)
    dw = (dfilters - dfilters.mean(axis=0)) / scale
    dw -= y * ((dfilters * y).mean(axis=0) / np.where(root > 0, root, 1))
    return dw.reshape(dy.shape)
