"""Positions at another resolution: a learned table (gh·gw, D), seen as a picture of gh x gw pixels, is resized to the
new grid. The encoder takes any number of tokens; the table is all that knows the old one (ViT, section 3.2).

"Interpolate the positions" is six functions, and published weights give their numbers with their own one alone:

    "bilinear_align_corners"   Google's ViT and big_vision (scipy.ndimage.zoom, order 1)
    "bilinear"                 timm's loader of Google's .npz files
    "bicubic"                  DeiT, MAE, DINOv2, Hugging Face
    "bicubic_align_corners"    torchvision
    "bilinear_antialias", "bicubic_antialias"   Pillow's rules; timm resizes by the second while it runs

Where does new place i of n' lie among the n old ones? With `align_corners` the first and the last stay the first and
the last: s = i (n−1)/(n'−1). Else a place is a pixel with a width, and the picture's edges stay: s = (i+½) n/n' − ½.
Bilinear takes the two neighbours of s, bicubic four, by Keys' kernel. Antialiased, a smaller grid takes the mean of as
many as it stands for.
"""

import numpy as np

METHODS = (
    "bilinear",
    "bilinear_align_corners",
    "bicubic",
    "bicubic_align_corners",
    "bilinear_antialias",
    "bicubic_antialias",
)


def resize_positions_forward(
    table: np.ndarray,
    old: tuple[int, int],
    new: tuple[int, int],
    prefix: int = 0,
    method: str = "bicubic_antialias",
) -> tuple[np.ndarray, tuple]:
    """out_ab = Σ_ij R_ai table_ij C_bj: one matrix for the rows, one for the columns, the same for every channel.

    table (1, prefix + gh·gw, D), old grid (gh, gw), new grid (gh', gw') -> (1, prefix + gh'·gw', D). The first `prefix`
    rows, of the class token and its like, are no places, and stay as they are.
    Bicubic with align_corners=True is what most tutorials show: for ViT-B/16 from 224² to 384² the 196 places become a
    14 x 14 picture of 768 channels, then 24 x 24, whose corners are the old ones.
    """
    if table.ndim != 3 or table.shape[:2] != (1, prefix + old[0] * old[1]):
        raise ValueError(
            f"the table has shape {table.shape}, expected (1, {prefix + old[0] * old[1]}, D): "
            f"{prefix} prefix tokens and a grid of {old[0]} x {old[1]}"
        )
    rows, columns = (
        np.asarray(resize_matrix(n_old, n_new, method), table.dtype, like=table)
        for n_old, n_new in zip(old, new, strict=True)
    )
    out = _apply(rows, columns, table[:, prefix:])
    return np.concatenate((table[:, :prefix], out), axis=1), (rows, columns, prefix)


def resize_positions_backward(dout: np.ndarray, cache: tuple) -> np.ndarray:
    """The transpose: dtable_ij = Σ_ab R_ai dout_ab C_bj.   dout (1, prefix + gh'·gw', D) -> (1, prefix + gh·gw, D)."""
    rows, columns, prefix = cache
    dtable = _apply(rows.T, columns.T, dout[:, prefix:])
    return np.concatenate((dout[:, :prefix], dtable), axis=1)


def resize_matrix(old: int, new: int, method: str) -> np.ndarray:
    """The weights (new, old) by which each new place along one axis is made of the old ones. Rows sum to 1."""
    if method not in METHODS:
        raise ValueError(f"the resize method is {method!r}, expected one of {', '.join(map(repr, METHODS))}")
    if old < 1 or new < 1:
        raise ValueError(f"the grid has sides of {old} and {new}, expected at least 1")
    kind, _, rule = method.partition("_")
    if rule == "antialias":
        return _antialiased(old, new, kind)
    return _sampled(old, new, kind, rule == "align_corners")


def _sampled(old: int, new: int, kind: str, align_corners: bool) -> np.ndarray:
    """The neighbours' weights at each source place s. Neighbours outside the grid are its edge."""
    i = np.arange(new)
    source = i * ((old - 1) / max(1, new - 1)) if align_corners else (i + 0.5) * (old / new) - 0.5
    first = np.floor(source).astype(int)
    matrix = np.zeros((new, old))
    for neighbour in (0, 1) if kind == "bilinear" else (-1, 0, 1, 2):
        distance = source - first - neighbour
        weight = _triangle(distance) if kind == "bilinear" else _cubic(distance, -0.75)
        np.add.at(matrix, (i, np.clip(first + neighbour, 0, old - 1)), weight)
    return matrix


def _antialiased(old: int, new: int, kind: str) -> np.ndarray:
    """The kernel, as much wider as the grid gets smaller. Neighbours outside the grid do not count: rows are divided
    by their sums. Here the bicubic kernel is the one with a = −½, not −¾ as above."""
    width = max(old / new, 1.0)
    centre = (np.arange(new)[:, None] + 0.5) * (old / new)
    distance = (np.arange(old) + 0.5 - centre) / width
    matrix = _triangle(distance) if kind == "bilinear" else _cubic(distance, -0.5)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _triangle(x: np.ndarray) -> np.ndarray:
    """1 − |x|, and 0 from distance 1 on."""
    return np.maximum(0, 1 - abs(x))


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' piecewise cubic (1981, equation 4, for any a): 1 at 0, 0 at 1, 2 and beyond, with a slope of a at 1."""
    x = abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def _apply(rows: np.ndarray, columns: np.ndarray, table: np.ndarray) -> np.ndarray:
    """R · table · Cᵀ: table (1, gh·gw, D) with R (gh', gh) and C (gw', gw) -> (1, gh'·gw', D)."""
    gh, gw, D = rows.shape[1], columns.shape[1], table.shape[2]
    picture = (rows @ table.reshape(gh, gw * D)).reshape(-1, gw, D)
    return (columns @ picture).reshape(1, -1, D)  # for each row of the picture
