"""The pictures, one function each: from arrays or a model to a Matplotlib Figure, for `save_figure` or a notebook."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..model import Classifier, ViT
from .attention import class_attention, who_looks
from .canvas import (
    ATTENTION,
    BLUE,
    VERMILLION,
    WIDTH,
    as_rgb,
    bar_under,
    colours,
    mosaic,
    new_figure,
    over_image,
    picture_figure,
    tile_centres,
    wrapped,
)
from .embedding import patch_filters, position_similarity
from .mistakes import worst_mistakes

SIMILARITY = Normalize(-1, 1)  # the scale of a cosine
IN_A_ROW = 6  # pictures of a single image


def plot_history(history: Sequence[dict[str, float]]) -> Figure:
    """The loss and the accuracy over a training run; `history` holds a dict for each epoch."""
    if not history:
        raise ValueError("the history is empty, expected a dict for each epoch")
    epoch, train, test, accuracy = (
        [row[key] for row in history] for key in ("epoch", "train_loss", "test_loss", "test_accuracy")
    )
    figure = new_figure(3.2)
    left, right = figure.subplots(1, 2)
    left.plot(epoch, train, color=BLUE, marker="o", markersize=3.5, label="training batches")
    left.plot(epoch, test, color=VERMILLION, marker="o", markersize=3.5, label="test images")
    left.set(title="Loss", ylabel="mean cross-entropy (nats)", ylim=(0, 1.05 * max(train + test)))
    left.legend(frameon=False)
    right.plot(epoch, accuracy, color=VERMILLION, marker="o", markersize=3.5)
    right.set(title=f"Accuracy: {accuracy[-1]:.2%} in the end", ylabel="test images classified right")
    right.set_ylim(top=min(1.005, right.get_ylim()[1]))  # nothing is above 100 %
    right.yaxis.set_major_formatter(PercentFormatter(1))
    for axes in (left, right):
        axes.set(xlabel="epoch", xlim=(epoch[0] - 0.5, epoch[-1] + 0.5))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def plot_predictions(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str] | None = None
) -> Figure:
    """A page of raw images: the first 8 that the model got right, and the 16 mistakes that it was surest of.

    labels (n,), probabilities (n, K); classes: the names of the K classes, where they are not their numbers.
    """
    predicted, sureness = probabilities.argmax(axis=1), probabilities.max(axis=1)
    all_right, all_wrong = np.flatnonzero(predicted == labels), worst_mistakes(probabilities, labels, len(labels))
    right, wrong = all_right[:8], all_wrong[:16]
    first = f", the first {len(right)}" if len(right) < len(all_right) else ""
    parts = [
        (f"{len(all_right):,} of {len(labels):,} right{first}", right, BLUE),
        (f"{len(all_wrong):,} wrong, those that it was surest of first", wrong, VERMILLION),
    ]
    parts = [part for part in parts if len(part[1])]

    def told(i: int) -> str:
        names = [f"{who} {_name(label[i], classes)}" for who, label in (("true", labels), ("said", predicted))]
        return "\n".join([*wrapped(names, WIDTH / 8, 8), f"{sureness[i]:.1%}"])

    rows = [-(-len(chosen) // 8) for _, chosen, _ in parts]
    lines = [max(told(i).count("\n") for i in chosen) for _, chosen, _ in parts]  # of the longest, less one
    heights = [0.4 + (1.1 + 0.15 * more) * count for count, more in zip(rows, lines, strict=True)]
    figure = new_figure(sum(heights))
    pages = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for page, count, (title, chosen, colour) in zip(pages, rows, parts, strict=True):
        page.suptitle(title, color=colour)
        cells = page.subplots(count, 8, squeeze=False).ravel()
        for axes in cells:
            axes.axis("off")
        for axes, i, picture in zip(cells, chosen, as_rgb(images[chosen]), strict=False):
            axes.imshow(picture)
            axes.set_title(told(i), fontsize=8, color=colour, pad=1)
    return figure


def plot_patch_filters(model: Classifier, count: int = 128) -> Figure:
    """What each number of a token looks for in its patch: the filters, the strongest `count` of them, on one scale.

    Filters of three channels are shown as colours around grey, others by the mean over their channels.
    """
    filters = patch_filters(model)
    D, strength = len(filters), np.linalg.norm(filters.reshape(len(filters), -1), axis=1)
    filters = filters[np.argsort(-strength, kind="stable")[:count]]
    columns = min(16, -(-len(filters) // 2))  # two rows at least
    which = f"{len(filters)} of {D}" if len(filters) < D else f"all {D}"
    in_colour = filters.shape[-1] == 3
    if not in_colour:
        filters = filters.mean(axis=-1)
    scale = Normalize(-np.abs(filters).max(), np.abs(filters).max())
    tiles = scale(filters) if in_colour else colours(filters, scale, "RdBu_r")
    tiles = np.pad(tiles, ((0, -len(tiles) % columns), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
    figure, axes = picture_figure(mosaic(tiles.reshape(-1, columns, *tiles.shape[1:])), width=7, around=0.4)
    axes.set(xticks=[], yticks=[])
    what = "patch embedding" if getattr(model.config, "stem", None) is None else "first convolution"
    axes.set_title(f"What the {what} looks for: {which} filters, strongest first")
    if not in_colour:
        figure.colorbar(ScalarMappable(scale, "RdBu_r"), ax=axes, label="weight", aspect=12)
    return figure


def plot_position_similarity(model: ViT, most: int = 14) -> Figure:
    """How alike the positions of the patches are (ViT, Figure 7): a map for each patch, laid out as the patches are.

    Of a larger grid only `most` rows and columns get their maps, evenly chosen.
    """
    picture, rows, columns = position_mosaic(model, most)
    height = min(5.5 * position_ratio(picture), 8)
    figure = new_figure(height + 0.7, layout="compressed")
    axes = figure.subplots()
    show_positions(axes, picture)
    axes.set_title("How alike the positions are: each map compares one patch with all")
    axes.set(xlabel="column of the patch", ylabel="row of the patch")
    axes.set_xticks(tile_centres(len(columns), model.config.grid[1]), columns + 1)
    axes.set_yticks(tile_centres(len(rows), model.config.grid[0]), rows + 1)
    figure.colorbar(ScalarMappable(SIMILARITY, "viridis"), ax=axes, label="cosine similarity", aspect=height / 0.275)
    return figure


def position_mosaic(model: ViT, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The picture of `plot_position_similarity`, and the rows and columns of the patches that have a map in it."""
    gh, gw = model.config.grid
    rows, columns = (np.unique(np.linspace(0, side - 1, min(side, most)).round().astype(int)) for side in (gh, gw))
    maps = position_similarity(model).reshape(gh, gw, gh, gw)[rows[:, None], columns]
    return mosaic(colours(maps, SIMILARITY, "viridis")), rows, columns


def position_ratio(picture: np.ndarray) -> float:
    """How tall such a picture is drawn, in its widths. That of a grid of a few rows, or a few columns, is not drawn to
    scale: it would be as thin as a line."""
    return min(max(picture.shape[0] / picture.shape[1], 0.4), 2.5)


def show_positions(axes: Axes, picture: np.ndarray) -> None:
    own, ratio = picture.shape[0] / picture.shape[1], position_ratio(picture)
    axes.imshow(picture, aspect=ratio / own, interpolation=None if ratio == own else "nearest")
    axes.spines[:].set_visible(False)


def plot_attention(model: ViT, images: np.ndarray, labels: np.ndarray, classes: Sequence[str] | None = None) -> Figure:
    """Where the class token looks in the last block: a column for each raw image, with the heads' mean and every head.

    A square is a patch; its colour runs from no attention to the most in that map. A single image gets a row instead,
    or several where there are many heads, and has its name in the title.
    """
    heads = class_attention(model, images)
    maps = np.concatenate((heads.mean(axis=1, keepdims=True), heads), axis=1)  # (B, 1 + H, gh, gw)
    tiles = np.stack([as_rgb(images), *(over_image(images, one) for one in maps.swapaxes(0, 1))])
    rows = ["image", "mean of heads", *(f"head {i + 1}" for i in range(heads.shape[1]))]
    names, looks = [_name(label, classes) for label in labels], f"{who_looks(model.config)} in the last block"
    if len(images) > 1:
        figure, axes = _attention_table(tiles, rows, names)
        axes.set_title(f"Where {looks}")
    else:
        figure, axes = _attention_rows(tiles[:, 0], rows)
        axes.set_title(f"“{names[0]}”: where {looks}")
    scale = ScalarMappable(Normalize(0, 1), ATTENTION)
    room = bar_under(axes, 0.12 if len(images) > 1 else 0.24)
    figure.colorbar(scale, cax=room, orientation="horizontal", label="attention, as a part of the largest in each map")
    return figure


def _attention_table(tiles: np.ndarray, rows: list[str], columns: list[str]) -> tuple[Figure, Axes]:
    width = min(6.5, 1.1 * len(columns))
    size = 10 if width / len(columns) > 1 else 8
    names = wrapped(columns, width / len(columns), size)
    figure, axes = picture_figure(mosaic(tiles), width, around=1.2 + 0.17 * max(name.count("\n") for name in names))
    axes.set_xticks(tile_centres(len(columns), tiles.shape[3]), names)
    axes.set_yticks(tile_centres(len(rows), tiles.shape[2]), rows)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.tick_params(axis="x", labelsize=size)
    return figure, axes


def _attention_rows(tiles: np.ndarray, names: list[str]) -> tuple[Figure, Axes]:
    """Pictures (n, height, width, 3), some in a row, each with its name under it."""
    _, height, width, _ = tiles.shape
    columns, gap = min(len(tiles), IN_A_ROW), max(width // 5, 2)
    tiles = np.pad(tiles, ((0, -len(tiles) % columns), (0, 0), (0, 0), (0, 0)), constant_values=1.0)
    picture = mosaic(tiles.reshape(-1, columns, *tiles.shape[1:]), gap)
    figure, axes = picture_figure(picture, width=6.5 * columns / IN_A_ROW, around=1.3)
    for i, name in enumerate(names):
        down, right = divmod(i, columns)
        place = right * (width + gap) + width / 2, down * (height + gap) + height
        axes.text(*place, name, fontsize=9, ha="center", va="top")
    axes.set(xticks=[], yticks=[])
    return figure, axes


def _name(label: int, classes: Sequence[str] | None) -> str:
    return str(label if classes is None else classes[label])
