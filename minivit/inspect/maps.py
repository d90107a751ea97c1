"""Pictures of what the model looks at and of what it is made of: one figure a function, like plots.py.

Maps lie over their image: a square is a patch, and its colour runs from nothing to the most in that map.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..model import ViT
from .attention import attention_distance, attention_maps, attention_rollout, even_distance, seen_by_head
from .canvas import (
    ATTENTION,
    BLUE,
    VERMILLION,
    as_rgb,
    colours,
    enlarged,
    mosaic,
    new_figure,
    over_image,
    picture_figure,
    tile_centres,
)
from .embedding import patch_filter_components, patch_token_colours
from .relevance import class_relevance


def plot_attention_layers(model: ViT, image: np.ndarray) -> Figure:
    """Where every head (column) of every block (row) looks, on one raw image (1, height, width, C)."""
    L, H = model.config.depth, model.config.heads
    maps = attention_maps(model, _one(image)).reshape(L * H, *model.config.grid)
    tiles = over_image(np.repeat(image, L * H, axis=0), maps)
    figure, axes = _table(tiles.reshape(L, H, *tiles.shape[1:]), "What each head of each block looks at")
    axes.set_xticks(axes.get_xticks(), range(1, H + 1))
    axes.set_yticks(axes.get_yticks(), range(1, L + 1))
    axes.set(xlabel="head", ylabel="block")
    return figure


def plot_rollout(model: ViT, images: np.ndarray, discard: float = 0.0) -> Figure:
    """Attention rollout, with the heads taken together in three ways, a column for each raw image (B, …)."""
    maps = {
        f"{fusion} of heads": seen_by_head(attention_rollout(model, images, fusion, discard), model.config)
        for fusion in ("mean", "max", "min")
    }
    title = "Attention rollout: which patches reach the end"
    return _maps_of_images(images, maps, title + (f", the faintest {discard:.0%} left out" if discard else ""))


def plot_relevance(model: ViT, images: np.ndarray, classes: Sequence[str] | None = None) -> Figure:
    """Which patches speak for the likeliest class, and which for the second, a column for each raw image (B, …).

    classes: the names of the K classes, where they are not their numbers.
    """
    names = list(map(str, range(model.config.classes))) if classes is None else classes
    order = model.predict(images).argsort(axis=1)[:, ::-1]
    maps = {"for the likeliest": class_relevance(model, images, order[:, 0])}
    titles = [names[k] for k in order[:, 0]]
    if model.config.classes > 1:
        maps["for the second"] = class_relevance(model, images, order[:, 1])
        titles = [f"{title}\nor {names[k]}" for title, k in zip(titles, order[:, 1], strict=True)]
    return _maps_of_images(images, maps, "Which patches speak for a class", titles)


def plot_attention_distance(model: ViT, images: np.ndarray) -> Figure:
    """How far every head looks, by depth (ViT, Figure 11), on average over raw images (B, …)."""
    figure = new_figure(3.6)
    axes = figure.subplots()
    draw_attention_distance(axes, attention_distance(model, images), even_distance(model.config))
    axes.set_title(f"How far each head looks, on {len(images):,} image{'s' if len(images) != 1 else ''}")
    return figure


def draw_attention_distance(axes: Axes, distances: np.ndarray, even: float) -> None:
    """`attention_distance` (L, H) into existing axes: a dot for each head, a line through the means of the blocks."""
    L, H = distances.shape
    block = np.arange(1, L + 1)
    axes.axhline(even, color="0.5", linestyle=":", linewidth=1.2, label="attention spread evenly")
    axes.plot(block, distances.mean(axis=1), color=BLUE, linewidth=1.5, label="mean of heads")
    axes.plot(np.repeat(block, H), distances.ravel(), "o", color=VERMILLION, alpha=0.75, markersize=4, label="a head")
    axes.set(xlabel="block", ylabel="mean distance (pixels)", xlim=(0.5, L + 0.5))
    axes.set_ylim(0, 1.45 * max(even, distances.max()))  # room for the legend
    axes.tick_params(labelsize=8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8))
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="upper left", labelspacing=0.3)


def plot_patch_filter_components(model: ViT, count: int = 28) -> Figure:
    """The main patterns that the patch filters are made of (ViT, Figure 7, left), each on its own scale around zero."""
    components, share = patch_filter_components(model, count)
    figure, axes = picture_figure(filter_mosaic(components, columns=7), width=5, around=0.5)
    axes.set(xticks=[], yticks=[])
    what = "patch embedding" if getattr(model.config, "stem", None) is None else "first convolution"
    axes.set_title(f"The {what}'s {len(components)} main components,\n{share.sum():.0%} of its variance")
    return figure


def filter_mosaic(filters: np.ndarray, columns: int) -> np.ndarray:
    """Filters (n, P_h, P_w, C), each by its own largest weight, as one picture: C = 3 in colour around grey, else the
    mean over the channels, red above zero and blue below."""
    if filters.shape[-1] != 3:
        filters = filters.mean(axis=-1, keepdims=True)
    largest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    scaled = filters / np.where(largest > 0, largest, 1)
    in_colour = filters.shape[-1] == 3
    tiles = (1 + scaled) / 2 if in_colour else colours(scaled[..., 0], Normalize(-1, 1), "RdBu_r")
    columns = min(columns, len(tiles))
    tiles = np.pad(tiles, ((0, -len(tiles) % columns), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
    return mosaic(tiles.reshape(-1, columns, *tiles.shape[1:]))


def plot_patch_tokens(model: ViT, images: np.ndarray, titles: Sequence[str] | None = None) -> Figure:
    """The patch tokens' main components as colours beside each raw image (B, …): like tokens, like colours."""
    pictures = as_rgb(images)
    rows = {"image": pictures, "tokens": enlarged(patch_token_colours(model, images), pictures.shape[1:3])}
    return _by_image(rows, "Patch tokens: their three main components as colours", titles)[0]


def _maps_of_images(
    images: np.ndarray, maps: dict[str, np.ndarray], title: str, titles: Sequence[str] | None = None
) -> Figure:
    """Each image and its maps (B, gh, gw) by their names."""
    rows = {"image": as_rgb(images)} | {name: over_image(images, one) for name, one in maps.items()}
    figure, axes = _by_image(rows, title, titles)
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), ATTENTION), ax=axes, location="bottom", aspect=40, pad=0.03)
    bar.set_label("as a part of the largest in each map")
    return figure


def _by_image(rows: dict[str, np.ndarray], title: str, titles: Sequence[str] | None) -> tuple[Figure, Axes]:
    """Pictures (B, height, width, 3) by name: a row for each name, a column for each image. One image is a row."""
    tiles, downwards, across = np.stack(list(rows.values())), list(rows), titles
    if tiles.shape[1] == 1:
        tiles, downwards, across = tiles.swapaxes(0, 1), titles, downwards
    figure, axes = _table(tiles, title)
    axes.set_yticks(axes.get_yticks() if downwards else [], downwards)
    axes.set_xticks(axes.get_xticks() if across else [], across)
    return figure, axes


def _table(tiles: np.ndarray, title: str) -> tuple[Figure, Axes]:
    """Pictures (rows, columns, height, width, 3) as one figure, with a tick at the middle of each row and column."""
    rows, columns, height, width, _ = tiles.shape
    gap = max(1, width // 32)
    figure, axes = picture_figure(mosaic(tiles, gap), width=min(6.5, (2.0 if rows == 1 else 1.1) * columns), around=1.2)
    axes.set_title(title)
    axes.set_xticks(tile_centres(columns, width, gap))
    axes.set_yticks(tile_centres(rows, height, gap))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.xaxis.set_label_position("top")
    return figure, axes


def _one(image: np.ndarray) -> np.ndarray:
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"the image has shape {image.shape}, expected (1, height, width, C)")
    return image
