"""What the model has learned before its first block: the patch filters and the positions."""

import numpy as np

from .. import ops
from ..model import ViT
from ..model.embedding import embedding_forward, fixed_positions


def patch_filters(model: ViT) -> np.ndarray:
    """The patch projection as D little pictures (D, P_h, P_w, C): number d of a token is its patch times picture d."""
    ph, pw = model.config.patch_size
    weight = model.numpy_params()["patch_embed.proj.weight"]  # (P_h·P_w·C, D)
    return weight.T.reshape(-1, ph, pw, model.config.channels)


def position_table(model: ViT) -> np.ndarray:
    """What is added to each patch to say where it is: (N, D) for the N = gh·gw patches, without the class token.

    Raises ValueError for a model that adds nothing.
    """
    config = model.config
    if config.position in ("none", "relative"):
        raise ValueError(
            f'position is "{config.position}": this model adds no table of positions to its patches, '
            'expected "1d", "2d" or "sincos2d"'
        )
    # A patch of zeros gives a token of zeros where there is no bias, so that the position alone is left.
    params = model.numpy_params() | {"patch_embed.proj.bias": np.zeros(config.width, model.dtype)}
    black, waves = np.zeros((1, *config.image_shape), model.dtype), fixed_positions(ops, config, model.dtype)
    tokens, _ = embedding_forward(ops, black, params, config, waves)
    return tokens[0, int(config.has_class_token) :]


def position_similarity(model: ViT) -> np.ndarray:
    """The cosine of every patch's position with every other's: (N, gh, gw), in −1 … 1 (ViT, Figure 7, centre).

    Raises ValueError for a model without a table of positions.
    """
    table = position_table(model)
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(table.dtype).tiny)
    return (unit @ unit.T).reshape(-1, *model.config.grid)
