"""Digits on a canvas: what is where? A data set to learn detection from, without a download.

A canvas is 64 x 64 pixels, grey, with up to five of the shipped digits, each at a place and a size of its own, among
scraps of others, under noise. Canvas i of a set follows from the set's seed and i alone, so a run may see new ones in
every step, and nobody need store them.
"""

import operator
from functools import cache
from typing import NamedTuple

import numpy as np

from ..files import read_npz
from .find import find_mnist

SIDE = 64  # of a canvas, in pixels
MOST = 5  # digits on it
INK = 64  # from here on a pixel belongs to a digit, when it is cut out
OVERLAP = 0.1  # of the smaller of two digits' rectangles: the most that they may share
TRIES = 20  # to find a place for a digit; then it is left out
SCRAP = 7  # the side of a piece of clutter

Target = dict[str, np.ndarray]
"""What is on an image of T objects: "labels" (T,), "boxes" (T, 4), (cx, cy, w, h) relative to its width and height."""


class Part(NamedTuple):
    """Which of the 10,000 digits that ship are on the canvases, and the seed of a set that is not told another."""

    digits: range
    seed: int


# The last two are the training digits once more, parted: choose a recipe with them, and the test stays unseen.
PARTS = {
    "train": Part(range(0, 8000), 0),
    "test": Part(range(8000, 10000), 1),
    "tune": Part(range(0, 7000), 0),
    "validation": Part(range(7000, 8000), 2),
}


def load_canvas(
    part: str = "train", count: int = 1000, *, seed: int | None = None, start: int = 0
) -> tuple[np.ndarray, list[Target]]:
    """Canvases start … start + count − 1 of a set: raw images (count, 64, 64, 1) uint8, and a target for each.

    part: "train", or "test", whose digits are on no canvas of "train"; "tune" and "validation" are to "train" what
    these are to all digits. seed: another makes another set of the same digits; the part's own if not given.
    Raises ValueError or TypeError for what makes no set.
    """
    return Canvases(part, seed)[range(start, start + operator.index(count))]


class Canvases:
    """A set without an end: `images, targets = canvases[indices]`, drawn when they are asked for, as in `load_canvas`.

    A quarter of a millisecond each.
    """

    def __init__(self, part: str = "train", seed: int | None = None) -> None:
        if part not in PARTS:
            raise ValueError(f"part is {part!r}, expected one of {', '.join(map(repr, PARTS))}")
        self.part, self.seed = part, PARTS[part].seed if seed is None else operator.index(seed)
        if self.seed < 0:
            raise ValueError(f"seed is {seed}, expected at least 0")

    def __getitem__(self, indices: range | np.ndarray | list[int]) -> tuple[np.ndarray, list[Target]]:
        if len(indices) == 0 or min(indices) < 0:
            raise ValueError(f"canvases {indices} were asked for, expected at least one, each 0 or more")
        drawn = [draw_canvas(PARTS[self.part].digits, self.seed, int(index)) for index in indices]
        return np.stack([image for image, _ in drawn])[..., None], [target for _, target in drawn]

    def __repr__(self) -> str:
        return f"Canvases({self.part!r}, seed={self.seed})"


def draw_canvas(pool: range, seed: int, index: int) -> tuple[np.ndarray, Target]:
    """One canvas, (64, 64) uint8, and what is on it. pool: which of the shipped digits it takes.

    The digits go over the clutter, and each other, by maximum; then comes noise of ±12.
    """
    rng = np.random.default_rng([seed, index])
    canvas = np.zeros((SIDE, SIDE))
    labels, corners = [], []
    for _ in range(_draw(rng, 1, MOST + 1)):
        digit, side, ink = pool[_draw(rng, 0, len(pool))], _draw(rng, 16, 29), _draw(rng, 160, 256)
        cut, label = _cut_out(digit)
        height, width = _size(cut.shape, side)
        place = _place(rng, height, width, corners)
        if place is not None:
            _lay(canvas, _resized(cut, height, width) * (ink / 255), *place[:2])
            labels.append(label)
            corners.append(place)
    for _ in range(_draw(rng, 0, 5)):
        digit, row, column = pool[_draw(rng, 0, len(pool))], _draw(rng, 6, 16), _draw(rng, 6, 16)
        ink, x, y = _draw(rng, 100, 201), _draw(rng, 0, SIDE - SCRAP + 1), _draw(rng, 0, SIDE - SCRAP + 1)
        _lay(canvas, _digits()[0][digit, row : row + SCRAP, column : column + SCRAP] * (ink / 255), x, y)
    noisy = np.floor(canvas + 0.5) + rng.integers(-12, 13, canvas.shape)
    x0, y0, x1, y1 = np.array(corners, np.float64).T
    boxes = np.stack(((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0), axis=1) / SIDE
    return np.clip(noisy, 0, 255).astype(np.uint8), {"labels": np.array(labels, np.int64), "boxes": boxes}


def _draw(rng: np.random.Generator, start: int, end: int) -> int:
    return int(rng.integers(start, end))


def _size(shape: tuple[int, int], side: int) -> tuple[int, int]:
    """The height and width of a digit whose longer side becomes `side`; the other is rounded."""
    height, width = shape
    short, long = sorted(shape)
    other = max(1, (2 * side * short + long) // (2 * long))
    return (side, other) if height >= width else (other, side)


def _place(rng: np.random.Generator, height: int, width: int, taken: list[tuple]) -> tuple[int, int, int, int] | None:
    """A free place, as the corners (x0, y0, x1, y1), or None where chance finds none."""
    for _ in range(TRIES):
        x, y = _draw(rng, 0, SIDE - width + 1), _draw(rng, 0, SIDE - height + 1)
        place = x, y, x + width, y + height
        if all(_shared(place, other) <= OVERLAP for other in taken):
            return place
    return None


def _shared(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    """The area that two rectangles have in common, as a part of the smaller one's."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    smaller = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return max(0, width) * max(0, height) / smaller


def _lay(canvas: np.ndarray, piece: np.ndarray, x: int, y: int) -> None:
    """The lighter of both, in the canvas itself."""
    under = canvas[y : y + piece.shape[0], x : x + piece.shape[1]]
    np.maximum(under, piece, out=under)


def _resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """(h, w) -> (height, width), float64: between the four nearest pixels, whose centres lie at halves (bilinear)."""
    upper, lower, t = _between(pixels.shape[0], height)
    rows = pixels[upper] * (1 - t)[:, None] + pixels[lower] * t[:, None]
    left, right, t = _between(pixels.shape[1], width)
    return rows[:, left] * (1 - t) + rows[:, right] * t


@cache
def _between(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of `new` pixels the two of `old` between which it lies, and how far it is from the first."""
    source = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    first = np.floor(source).astype(np.int64)
    return first, np.minimum(first + 1, old - 1), source - first


@cache
def _digits() -> tuple[np.ndarray, np.ndarray]:
    """What ships, in the order of the file: (10000, 28, 28) uint8 and labels (10000,)."""
    arrays = read_npz(find_mnist("digits")[0])
    return arrays["images"], arrays["labels"]


@cache
def _cut_out(digit: int) -> tuple[np.ndarray, int]:
    """A digit's ink with a pixel around it, as far as its field goes; and what it is."""
    images, labels = _digits()
    ink = images[digit] >= INK
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    (top, bottom), (left, right) = ((max(0, i[0] - 1), i[-1] + 2) for i in (rows, columns))
    return images[digit, top:bottom, left:right].astype(np.float64), int(labels[digit])
