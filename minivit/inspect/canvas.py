"""What the plots have in common: a figure of one's own, and many small pictures laid out as a single one.

No pyplot and no global state: every figure is an object by itself, so that threads may draw side by side.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from ..files import atomic_write

WIDTH = 8.0  # inches
DARKEST = 0.45  # how bright black is where a picture is tinted: the tint must be seen on it
LIGHT = 0.45  # the least mean of such a picture's grey: a darker one, as at night, gets so much more light
BLUE, VERMILLION = "#0072B2", "#D55E00"  # from Okabe and Ito's palette, which colour-blind readers can tell apart
ATTENTION = LinearSegmentedColormap.from_list("attention", ["#FFF8E1", "#F5B041", VERMILLION])  # light: ink shows on it


def new_figure(height: float, layout: str = "constrained") -> Figure:
    """A white figure, `height` inches high and as wide as all others."""
    return Figure(figsize=(WIDTH, height), facecolor="white", layout=layout)


def picture_figure(picture: np.ndarray, width: float, around: float) -> tuple[Figure, Axes]:
    """A figure of one picture, `width` inches wide, with `around` inches of height for what is written around it."""
    figure = new_figure(width * picture.shape[0] / picture.shape[1] + around, layout="compressed")
    axes = figure.subplots()
    axes.imshow(picture)
    axes.spines[:].set_visible(False)
    return figure, axes


def bar_under(axes: Axes, gap: float) -> Axes:
    """Room for a bar of colours `gap` inches under a picture, exactly as wide: Matplotlib's own is as wide as the room
    that the picture was given, which it may not fill."""
    bar = axes.inset_axes((0, 0, 1, 1))

    def place(*_: object) -> Bbox:
        picture, inches = axes.get_position(), axes.figure.get_figheight()
        return Bbox.from_bounds(picture.x0, picture.y0 - (gap + 0.14) / inches, picture.width, 0.14 / inches)

    bar.set_axes_locator(place)
    return bar


def save_figure(figure: Figure, path: str | os.PathLike, dpi: int = 150) -> None:
    """Write a figure, whole or not at all, in the format that the name's ending says: .png, .svg, .pdf."""
    ending = figure_format(path)
    with atomic_write(path) as file:
        figure.savefig(file, format=ending, dpi=dpi, facecolor="white")


def figure_format(path: str | os.PathLike, source: str | os.PathLike | None = None) -> str:
    """What the path's ending says, png where it has none. Raises ValueError for what Matplotlib does not write, and for
    the path of the picture that is drawn on, `source`: it would be lost."""
    if source is not None and Path(path).resolve() == Path(source).resolve():
        raise ValueError(f"{path} is the picture itself: give --out another name")
    ending, known = Path(path).suffix[1:].lower() or "png", FigureCanvasBase.get_supported_filetypes()
    if ending not in known:
        raise ValueError(f"{path} ends in .{ending}, expected one of {', '.join(f'.{name}' for name in known)}")
    return ending


def mosaic(tiles: np.ndarray, gap: int = 1) -> np.ndarray:
    """A table of pictures (rows, columns, height, width, 3), floats in [0, 1] -> one picture, white lines between."""
    tiles = np.pad(tiles, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=1.0)
    rows, columns, height, width, _ = tiles.shape
    return tiles.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)[:-gap, :-gap]


def tile_centres(count: int, side: int, gap: int = 1) -> np.ndarray:
    """Where the middles of `count` tiles of `side` pixels lie along a mosaic."""
    return np.arange(count) * (side + gap) + (side - 1) / 2


def wrapped(names: Sequence[str], inches: float, size: float = 10) -> list[str]:
    """Names in as many lines as they need where each has so much room, in letters of so many points. One that is too
    long is cut between words, which may be joined_so, and a word that is too long for a line anywhere."""
    letters = max(1, int(110 * inches / size))
    return [name if len(name) <= letters else fill(name.replace("_", " "), letters) for name in names]


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Raw images (n, height, width, 1 or 3), uint8 or floats in [0, 1] -> floats (n, height, width, 3) to look at.

    A single channel is shown as ink on paper: 0 is white.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(f"images have shape {images.shape}, expected (n, height, width, 1 or 3)")
    pixels = images / 255 if images.dtype == np.uint8 else images
    return pixels if images.shape[-1] == 3 else np.repeat(1 - pixels, 3, axis=-1)


def colours(values: np.ndarray, scale: Normalize, colormap: str | Colormap) -> np.ndarray:
    """The colours (…, 3) of values (…)."""
    return colormaps.get_cmap(colormap)(scale(values))[..., :3]


def over_image(images: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """Raw images (n, height, width, 1 or 3) in grey, printed on the colours of their maps (n, gh, gw): each map from 0
    to its own largest value -> (n, height, width, 3).

    One patch in a hundred may lie above the scale: large models put much of their attention on a few patches of the
    background (arXiv 2309.16588), and all others would look alike.
    """
    flat = np.sort(maps.reshape(len(maps), -1), axis=1)
    largest = flat[:, -1 - flat.shape[1] // 100, None, None]
    squares = colours(maps / np.where(largest > 0, largest, 1), Normalize(0, 1, clip=True), ATTENTION)
    return tinted(as_rgb(images), squares)


def tinted(pictures: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Pictures (n, height, width, 3) in grey, as if printed on coloured squares (n, gh, gw, 3), which stay squares."""
    grey = pictures.mean(axis=-1, keepdims=True)
    grey = np.minimum(1, grey + np.maximum(0, LIGHT - grey.mean(axis=(1, 2, 3), keepdims=True)))
    return enlarged(squares, pictures.shape[1:3]) * (DARKEST + (1 - DARKEST) * grey)


def enlarged(squares: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(n, gh, gw, 3) -> (n, height, width, 3): each pixel takes the square that it lies in."""
    rows, columns = (np.arange(side) * parts // side for side, parts in zip(size, squares.shape[1:3], strict=True))
    return squares[:, rows[:, None], columns]
