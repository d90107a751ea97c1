"""What the model has learned before its first block, filters and positions, and what its tokens hold at the end."""

import math

import numpy as np

from .. import ops
from ..layers import Parameter
from ..model import Classifier, ViT


def patch_filters(model: Classifier) -> np.ndarray:
    """The first layer's filters, D little pictures (D, rows, columns, C): of a patch projection, number d of a token is
    its patch times picture d.

    The patches of a hybrid are cut from its stem's map; the filters that meet its pixels are the stem's first ones,
    (64, 7, 7, C). Raises ValueError for a model whose first layer is neither a convolution nor a patch projection.
    """
    weight = _first_weight(model)
    if weight is None:
        raise ValueError(f"a {type(model).__name__} does not begin with filters of pixels")
    array, C = model.numpy_params()[weight.name], model.config.channels
    if array.ndim == 4:  # (row, column, in, out)
        return array.transpose(3, 0, 1, 2)
    return array.T.reshape(-1, *model.config.patch_size, C)


def has_patch_filters(model: Classifier) -> bool:
    """Whether `patch_filters` has any."""
    return _first_weight(model) is not None


def _first_weight(model: Classifier) -> Parameter | None:
    """That of the first layer, where it is one of filters of pixels."""
    weight = next(p for p in model.layers.parameters if p.name.endswith(".weight"))
    C = model.config.channels
    if len(weight.shape) == 4:
        return weight if weight.shape[2] == C else None
    patch = getattr(model.config, "patch_size", None)
    return weight if patch and weight.shape[0] == math.prod(patch) * C else None


def patch_filter_components(model: Classifier, count: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """The main patterns that the patch filters are made of (ViT, Figure 7, left): their principal components.

    Returns at most `count` components (n, P_h, P_w, C), of length 1, and which part of the filters' variance each one
    holds, (n,), largest first.
    """
    filters = patch_filters(model)
    components, share, _ = principal_components(filters.reshape(len(filters), -1), count)
    return components.reshape(-1, *filters.shape[1:]), share


def position_table(model: ViT) -> np.ndarray:
    """What is added to each patch to say where it is: (gh·gw, D), without the rows of the tokens before the patches.

    Raises ValueError for a model that adds nothing.
    """
    config, params = model.config, model.numpy_params()
    if config.position == "1d":
        return params["pos_embed"][0, config.position_prefix :]
    if config.position == "2d":
        return ops.position_2d_forward(params["pos_embed.row"], params["pos_embed.column"])[0][0]
    if config.position == "sincos2d":
        return ops.position_sincos_2d(config.grid, config.width, model.dtype)[0]
    raise ValueError(
        f'position is "{config.position}": this model adds no table of positions to its patches, '
        'expected "1d", "2d" or "sincos2d"'
    )


def position_similarity(model: ViT) -> np.ndarray:
    """The cosine of every patch's position with every other's: (gh·gw, gh, gw), in −1 … 1 (ViT, Figure 7, centre).

    Raises ValueError for a model without a table of positions.
    """
    table = position_table(model)
    unit = table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), np.finfo(table.dtype).tiny)
    return (unit @ unit.T).reshape(-1, *model.config.grid)


def patch_tokens(model: ViT, images: np.ndarray) -> np.ndarray:
    """What the last block says of each patch, after the final norm: raw images (B, …) -> (B, gh, gw, D)."""
    gh, gw = model.config.grid
    tokens = model.device.to_numpy(model.tokens(model.normalize(images)))
    return tokens[:, -gh * gw :].reshape(len(images), gh, gw, -1)


def patch_token_colours(model: ViT, images: np.ndarray) -> np.ndarray:
    """What belongs together in the eyes of the model: raw images (B, …) -> colours (B, gh, gw, 3) in [0, 1].

    As in DINOv2 (arXiv 2304.07193, Figure 1): the first three principal components of the patch tokens of all images
    together are red, green and blue, each from its 1st to its 99th percentile. Like tokens get like colours; which
    colour has no meaning.
    """
    return token_colours(patch_tokens(model, images))


def token_colours(tokens: np.ndarray) -> np.ndarray:
    """`patch_token_colours` from the tokens themselves: (B, gh, gw, D) -> (B, gh, gw, 3)."""
    scores = principal_components(tokens.reshape(-1, tokens.shape[-1]), 3)[2]
    scores = np.pad(scores, ((0, 0), (0, 3 - scores.shape[1])))  # of fewer than three tokens
    low, high = np.percentile(scores, (1, 99), axis=0)
    size = np.linalg.norm(tokens, axis=-1).max()
    flat = high - low <= 1e-5 * size  # where the tokens do not differ but by rounding, there is no colour
    colours = np.clip((scores - low) / np.where(flat, 1, high - low), 0, 1)
    colours[:, flat] = 0.5
    return colours.reshape(*tokens.shape[:3], 3)


def principal_components(rows: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """rows (n, D) -> the directions in which they differ most (k, D), k ≤ count, of length 1, largest part first;
    the part of the variance that each one holds (k,); and the rows in these directions (n, k).

    The sign of a direction is open; its largest number is made positive, so that pictures repeat.
    """
    centred = (rows - rows.mean(axis=0)).astype(np.float64)
    n, D = rows.shape
    # Few rows lie in few directions, and a basis of these is enough. The eigenvectors of the covariance
    # are found sooner than an SVD, and float64 makes up for the squares.
    basis = np.linalg.qr(centred.T)[0] if n < D else np.eye(D)
    within = centred @ basis
    variance, vectors = np.linalg.eigh(within.T @ within)
    directions = (basis @ vectors[:, ::-1]).T[:count]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    directions = directions * np.copysign(1, largest)
    variance = np.maximum(variance[::-1], 0)
    share = variance[:count] / max(variance.sum(), np.finfo(rows.dtype).tiny)
    return tuple(array.astype(rows.dtype) for array in (directions, share, centred @ directions.T))
