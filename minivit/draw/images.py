"""Raw images on paper: digits, the patches that a picture is cut into, and maps over a picture."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from ..inspect.canvas import BLUE, as_rgb, over_image
from ..model.images import check_pixels
from .page import (
    FAINT,
    INNER,
    LARGE,
    LINE,
    SMALL,
    Picture,
    outline,
    sheet,
    show,
    text_height,
    text_width,
    whole,
    write,
)

GAP = 0.1  # inches between pictures
HALO = withStroke(linewidth=2.5, foreground="white")
AT_MOST = 70  # patches apart


def digits(
    images: np.ndarray, titles: Sequence[object] | None = None, columns: int = 8, *, alt: str, side: float = 0.85
) -> Picture:
    """Raw images (n, height, width, 1 or 3), uint8 or floats in [0, 1], in rows, each with its title, if any, under it.

    side: the longer one of an image, in inches, where there is room for it.
    """
    images = np.asarray(images)
    check_pixels(images)
    pictures = as_rgb(images)
    if not len(pictures):
        raise ValueError(f"images have shape {images.shape}, expected one image at least")
    return _table(pictures, titles, columns, side, alt)


def maps(
    image: np.ndarray,
    maps: np.ndarray,
    titles: Sequence[object],
    *,
    alt: str,
    columns: int = 6,
    first: str | None = "image",
) -> Picture:
    """Maps (n, gh, gw) of what matters in one raw image (height, width, 1 or 3), printed on it in colours.

    Each map's colours run from 0 to its own largest value. first: the title of the image itself, None to leave it out.
    """
    image, maps = _one_image(image), np.asarray(maps, float)
    if maps.ndim != 3 or not maps.size:
        raise ValueError(f"maps have shape {maps.shape}, expected (n, rows of patches, columns of patches)")
    _as_many("titles", titles, maps)
    tiles = over_image(np.repeat(image[None], len(maps), axis=0), maps)
    if first is not None:
        tiles, titles = np.concatenate((as_rgb(image[None]), tiles)), [first, *titles]
    return _table(tiles, titles, columns, 1.25, alt)


def _table(pictures: np.ndarray, titles: Sequence[object] | None, columns: int, side: float, alt: str) -> Picture:
    columns = whole("columns", columns)
    if titles is not None:
        _as_many("titles", titles, pictures)
    titles = [str(title) for title in ([""] * len(pictures) if titles is None else titles)]
    widest = max(text_width(title) for title in titles)
    columns = min(columns, len(pictures), max(1, int((INNER + GAP) / (max(widest, 0.3) + GAP))))
    height, width = pictures.shape[1:3]
    side = min(side, (INNER + GAP) / columns - GAP)
    across, down = side * width / max(height, width), side * height / max(height, width)
    pitch = max(across, widest) + GAP
    words = max(text_height(title) for title in titles)
    rows = -(-len(pictures) // columns)
    row = down + words + GAP
    figure, axes = sheet(columns * pitch - GAP, rows * row - GAP)
    for i, (picture, title) in enumerate(zip(pictures, titles, strict=True)):
        x, y = i % columns * pitch + (pitch - GAP) / 2, i // columns * row
        show(axes, picture, x - across / 2, y, across, down)
        outline(axes, x - across / 2, y, across, down, "0.8")
        for k, line in enumerate(title.split("\n")):
            write(axes, x, y + down + 0.15 + k * text_height(line), line, va="baseline")
    return Picture(figure, alt)


def patches(
    image: np.ndarray,
    patch_size: int | tuple[int, int],
    *,
    alt: str,
    numbers: bool = True,
    order: Sequence[int] | None = None,
) -> Picture:
    """A raw image (height, width, 1 or 3) under the grid that cuts it, and beside it the patches as a sequence.

    patch_size: of a square, or (height, width), in pixels. numbers: each patch's, from 0, in reading order.
    order: which patch stands where in the sequence, a permutation; None for reading order. Long sequences are cut.
    """
    image = _one_image(image)
    ph, pw = _patch_size(image, patch_size)
    gh, gw = image.shape[0] // ph, image.shape[1] // pw
    N = gh * gw
    sequence = np.arange(N) if order is None else np.asarray(order)
    if sequence.shape != (N,) or sorted(sequence.tolist()) != list(range(N)):
        raise ValueError(f"order is {order!r}, expected each of the patches 0 to {N - 1} once")
    pixels = as_rgb(image[None])[0]
    apart = pixels.reshape(gh, ph, gw, pw, 3).swapaxes(1, 2).reshape(N, ph, pw, 3)
    across = 8 if N <= 32 else 10
    places = list(range(N)) if N <= AT_MOST else [*range(AT_MOST - 2 * across), *range(N - across, N)]
    rows = -(-len(places) // across) + (N > AT_MOST)
    left, pitch = 3.0, 4.24 / across
    side = pitch - 0.1
    tile, row = side / max(ph, pw), (side * ph / max(ph, pw) + 0.1 + 0.16 * numbers)
    tall = left * image.shape[0] / max(image.shape[:2])
    wide, head = left * image.shape[1] / max(image.shape[:2]), 0.28
    start = INNER - across * pitch + 0.1
    figure, axes = sheet(INNER, head + max(tall, rows * row))
    x, top = start - 0.35 - wide, head
    write(axes, x + wide / 2, top - head / 2, f"{gh} × {gw} patches of {ph} × {pw} pixels", LARGE)
    _draw_grid(axes, pixels, (x, top, wide, tall), (gh, gw), numbers)
    write(
        axes, start + (across * pitch - 0.1) / 2, top - head / 2,
        f"the sequence of {N} patches" + ("" if order is None else ", in another order"), LARGE,
    )  # fmt: skip
    for k, place in enumerate(places):
        cut = N > AT_MOST and place >= N - across
        x, y = start + k % across * pitch, top + (k // across + cut) * row
        show(axes, apart[sequence[place]], x, y, pw * tile, ph * tile)
        outline(axes, x, y, pw * tile, ph * tile, LINE)
        if numbers:
            write(axes, x + pw * tile / 2, y + ph * tile + 0.02, f"{sequence[place]}", color=BLUE, va="top")
    if N > AT_MOST:
        y = top + (rows - 1.5) * row
        write(axes, start + (across * pitch - 0.1) / 2, y, f"…  {N - len(places)} more  …", color=FAINT)
    return Picture(figure, alt)


def _draw_grid(axes: Axes, pixels: np.ndarray, box: tuple, grid: tuple[int, int], numbers: bool) -> None:
    (x, y, wide, tall), (gh, gw) = box, grid
    show(axes, pixels, *box)
    axes.vlines(np.linspace(x, x + wide, gw + 1), y, y + tall, colors=BLUE, linewidth=0.8)
    axes.hlines(np.linspace(y, y + tall, gh + 1), x, x + wide, colors=BLUE, linewidth=0.8)
    across, down = wide / gw, tall / gh
    if not numbers or down < 0.16:
        return
    inside = across >= text_width(f"{gh * gw - 1}") + 0.06
    for i in range(gh):  # where the numbers do not fit into the patches, each row's first one stands before it
        for j in range(gw if inside else 1):
            place = (x + j * across + 0.03, y + i * down + 0.02) if inside else (x - 0.05, y + (i + 0.5) * down)
            how = {"ha": "left", "va": "top", "path_effects": [HALO]} if inside else {"ha": "right"}
            write(axes, *place, f"{i * gw + j}", SMALL, color=BLUE, **how)


def _patch_size(image: np.ndarray, patch_size: int | tuple[int, int]) -> tuple[int, int]:
    pair = tuple(patch_size) if isinstance(patch_size, tuple | list) else (patch_size, patch_size)
    if len(pair) != 2:
        raise ValueError(f"patch_size is {patch_size!r}, expected a whole number or a pair of them")
    ph, pw = (whole("patch_size", side) for side in pair)
    if image.shape[0] % ph or image.shape[1] % pw:
        raise ValueError(f"patches of {ph} x {pw} pixels do not fill an image of {image.shape[0]} x {image.shape[1]}")
    return ph, pw


def _one_image(image: np.ndarray) -> np.ndarray:
    image = np.asarray(image)
    check_pixels(image)
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(f"the image has shape {image.shape}, expected (height, width, 1 or 3)")
    return image


def _as_many(name: str, given: Sequence[object], pictures: np.ndarray) -> None:
    if isinstance(given, str) or len(given) != len(pictures):
        count = "a text" if isinstance(given, str) else str(len(given))
        raise ValueError(f"{name} are {count}, expected {len(pictures)}, one for each picture")
