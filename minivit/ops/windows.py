"""Windows: each token looks at those in its own window of the grid, and every second time the windows lie elsewhere.

Full attention on a grid of H x W tokens compares (HW)² pairs; in windows of M x M each token has M² keys, whatever the
size of the grid. So that windows hear of each other, every second block shifts them by half a window: the grid is
rolled up and to the left, cut, and rolled back. Some that the roll makes neighbours are none in the picture, so a mask
keeps them apart (Swin, Liu et al., arXiv 2103.14030, section 3.2, figure 4):

    windows → self-attention, bias + mask on its scores → unwindows

A grid that windows do not divide is continued by zeros below and on the right: after the roll, as timm does it, or
before (pad_first), as Hugging Face. No mask hides these tokens; what comes out for them is thrown away. merge_patches
is what stands between two stages.
"""

import numpy as np

from .convolution import pad

Pair = tuple[int, int]
# Swin has −100. A weight of e⁻¹⁰⁰ is none, but a subnormal float32, with which a CPU takes several times as long.
APART = -1000.0


def windows_forward(
    x: np.ndarray, grid: Pair, window: Pair, shift: Pair = (0, 0), pad_first: bool = False
) -> tuple[np.ndarray, tuple]:
    """x (B, gh·gw, D) in reading order -> (B, windows, M_h·M_w, D), windows and tokens in them in reading order.

    shift: tokens that the windows lie further down and to the right. pad_first: the zeros are rolled, too. Cached: the
    sizes.
    """
    (gh, gw), (mh, mw), (B, _, D) = grid, window, x.shape
    picture, back = x.reshape(B, gh, gw, D), (-shift[0], -shift[1])
    picture = _roll(_pad(picture, window), back) if pad_first else _pad(_roll(picture, back), window)
    cut = picture.reshape(B, picture.shape[1] // mh, mh, picture.shape[2] // mw, mw, D).swapaxes(2, 3)
    return cut.reshape(B, -1, mh * mw, D), (grid, window, shift, pad_first)


def windows_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """What only moves tokens moves them back; nobody asked for the zeros. dy like y -> dx (B, gh·gw, D)."""
    return unwindows_forward(dy, *cache)[0]


def unwindows_forward(
    x: np.ndarray, grid: Pair, window: Pair, shift: Pair = (0, 0), pad_first: bool = False
) -> tuple[np.ndarray, tuple]:
    """The way back: (B, windows, M_h·M_w, D) -> (B, gh·gw, D), without what continued the grid."""
    (gh, gw), (mh, mw), (B, _, _, D) = grid, window, x.shape
    rows, columns = padded(grid, window)
    picture = x.reshape(B, rows // mh, columns // mw, mh, mw, D).swapaxes(2, 3).reshape(B, rows, columns, D)
    picture = _roll(picture, shift)[:, :gh, :gw] if pad_first else _roll(picture[:, :gh, :gw], shift)
    return picture.reshape(B, gh * gw, D), (grid, window, shift, pad_first)


def unwindows_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """What was thrown away has the gradient 0. dy (B, gh·gw, D) -> dx (B, windows, M_h·M_w, D)."""
    return windows_forward(dy, *cache)[0]


def padded(grid: Pair, window: Pair) -> Pair:
    """The grid's sides, rounded up to multiples of the window's."""
    (gh, gw), (mh, mw) = grid, window
    return -(-gh // mh) * mh, -(-gw // mw) * mw


def window_mask(grid: Pair, window: Pair, shift: Pair) -> np.ndarray:
    """What is added to the scores: APART between two tokens of a window of which one came around along an axis, and the
    other did not; else 0.   -> (windows, 1, n, n), n = M_h·M_w, the same for all heads.

    Those that came around are the last `shift` places of the rolled grid: the padded one's. (The paper's picture has
    nine regions; the others share no window.) Where zeros are added after the roll, they stand there, and timm's mask
    misses some of those that came around.
    """
    sides = padded(grid, window)
    rows, columns = (np.arange(side) >= side - back for side, back in zip(sides, shift, strict=True))
    region = (2 * rows[:, None] + columns).reshape(1, -1, 1)
    region = windows_forward(region, sides, window)[0][0, :, :, 0]  # (windows, n)
    return np.where(region[:, :, None] == region[:, None], 0.0, APART)[:, None]


def add_mask_forward(bias: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, None]:
    """bias (H, n, n) + mask (windows, 1, n, n) -> (windows, H, n, n)."""
    return bias + mask, None


def add_mask_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    """One bias served all windows: its gradient is the sum of theirs. The mask is fixed. dy (windows, H, n, n)."""
    return dy.sum(axis=0)


def merge_patches_forward(x: np.ndarray, grid: Pair) -> tuple[np.ndarray, Pair]:
    """Two by two tokens become one: (B, gh·gw, D) -> (B, ⌈gh/2⌉·⌈gw/2⌉, 4D); an odd side is continued by zeros.

    [upper left | lower left | upper right | lower right]: Swin's order, which published weights know.
    """
    (gh, gw), (B, _, D) = grid, x.shape
    picture = _pad(x.reshape(B, gh, gw, D), (2, 2))
    squares = picture.reshape(B, -(-gh // 2), 2, -(-gw // 2), 2, D).transpose(0, 1, 3, 4, 2, 5)
    return squares.reshape(B, -1, 4 * D), grid


def merge_patches_backward(dy: np.ndarray, cache: Pair) -> np.ndarray:
    """Every token went to one place, and its gradient comes back from there. dy like y -> dx (B, gh·gw, D)."""
    (gh, gw), B, D = cache, dy.shape[0], dy.shape[-1] // 4
    rows, columns = padded(cache, (2, 2))
    squares = dy.reshape(B, rows // 2, columns // 2, 2, 2, D).transpose(0, 1, 4, 2, 3, 5)
    return squares.reshape(B, rows, columns, D)[:, :gh, :gw].reshape(B, gh * gw, D)


def _roll(picture: np.ndarray, shift: Pair) -> np.ndarray:
    """What leaves at one side comes in at the other."""
    return np.roll(picture, shift, axis=(1, 2)) if any(shift) else picture


def _pad(picture: np.ndarray, multiple: Pair) -> np.ndarray:
    """Zeros below and on the right, up to the next multiples."""
    (height, width), (rows, columns) = picture.shape[1:3], padded(picture.shape[1:3], multiple)
    return pad(picture, ((0, rows - height), (0, columns - width)))
