"""Where the model looks when it decides."""

import numpy as np

from ..model import ViT


def class_attention(model: ViT, images: np.ndarray) -> np.ndarray:
    """Where the class token looks in the last block: raw images (B, height, width, C) -> (B, H, gh, gw).

    Every head by itself; `.mean(axis=1)` is their mean. A map sums to 1 less what the class token gives itself. With
    mean pooling there is no class token, and each patch has an equal say: the mean over the patches that look.
    """
    gh, gw = model.config.grid
    weights = model.attention(model.normalize(images))[-1]  # (B, H, N, N), query and key
    query = weights[:, :, 0] if model.config.has_class_token else weights.mean(axis=2)  # (B, H, N)
    return query[:, :, -gh * gw :].reshape(*query.shape[:2], gh, gw)  # the patches are the last tokens
