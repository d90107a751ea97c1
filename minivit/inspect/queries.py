"""How a detector looks for its answer: where a query's boxes lie, what it attends to, how a box comes about.

Functions of arrays; detectors.py asks the models for them. Boxes are corners (x0, y0, x1, y1) in pixels, but in
`plot_query_boxes`, which compares images of any size.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import ATTENTION, BLUE, VERMILLION, as_rgb, new_figure, over_image
from .detections import TRUTH, draw_box

QUERIES_IN_A_ROW = 5
TALL = 1.2  # times as high as wide: from here on a box is called tall, or wide


def plot_query_boxes(boxes: np.ndarray, scores: np.ndarray, sure: float = 0.5) -> Figure:
    """Where each query's boxes lie over a data set (DETR, arXiv 2005.12872, figure 7): a square a query, a dot a box.

    boxes (n, Q, 4): of n images, (cx, cy, w, h) relative to each image's size; scores (n, Q), of the best class. Only
    boxes of at least a score are shown: blue where tall, red where wide, else green; its area is the dot's.
    """
    queries = boxes.shape[1]
    rows = -(-queries // QUERIES_IN_A_ROW)
    figure = new_figure(0.5 + 1.75 * rows)
    cells = figure.subplots(rows, min(queries, QUERIES_IN_A_ROW), squeeze=False).ravel()
    for axes in cells:
        axes.axis("off")
    for query, axes in zip(range(queries), cells, strict=False):
        its = boxes[scores[:, query] >= sure, query]
        cx, cy, w, h = its.T
        colour = np.where(h > TALL * w, BLUE, np.where(w > TALL * h, VERMILLION, TRUTH))
        axes.scatter(cx, cy, s=60 * w * h + 1, c=colour, alpha=0.5, linewidths=0)
        axes.set(xlim=(0, 1), ylim=(1, 0), aspect="equal", xticks=[], yticks=[])
        axes.axis("on")
        axes.set_title(f"query {query}: {len(its) / len(boxes):.0%}", fontsize=8, pad=3)
    figure.suptitle("Where each query's objects lie, and in how many images it has one", fontsize=10)
    return figure


def plot_cross_attention(
    image: np.ndarray, boxes: np.ndarray, maps: np.ndarray, titles: Sequence[str], rows: Sequence[str]
) -> Figure:
    """Where the decoder looks for each of a few objects: a row an object, a column a head.

    raw image (height, width, C); boxes (n, 4); maps (n, H, h, w): the weights of a query's cross-attention, of which
    each picture shows its own scale. titles: of the columns; rows: what each object was said to be.
    """
    count, heads = maps.shape[:2]
    figure = new_figure(0.5 + 8.0 / heads * count, layout="compressed")
    cells = figure.subplots(count, heads, squeeze=False)
    for i in range(count):
        pictures = over_image(np.repeat(image[None], heads, axis=0), maps[i])
        for axes, picture in zip(cells[i], pictures, strict=True):
            axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            draw_box(axes, boxes[i], BLUE)
        cells[i, 0].set_ylabel(rows[i], fontsize=9)
    for axes, title in zip(cells[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    return figure


def plot_sampling_points(
    image: np.ndarray,
    boxes: np.ndarray,
    points: np.ndarray,
    weights: np.ndarray,
    titles: Sequence[str],
    rows: Sequence[str],
) -> Figure:
    """Where deformable attention samples for each of a few objects: a row an object, a column a decoder layer.

    raw image (height, width, C); boxes (n, L, 4), as they are after each layer, and dotted after the one before;
    points (n, L, S, 2), in pixels, of all heads and maps, and their weights (n, L, S): the darker count more.
    """
    count, depth = boxes.shape[:2]
    figure = new_figure(0.4 + 8.0 / depth * count, layout="compressed")
    cells = figure.subplots(count, depth, squeeze=False)
    for i, row in enumerate(cells):
        for layer, axes in enumerate(row):
            _show(axes, image)
            order = np.argsort(weights[i, layer])  # the heaviest on top
            x, y = points[i, layer, order].T - 0.5
            scale = dict(vmin=0, vmax=weights[i, layer].max(), cmap=ATTENTION)
            axes.scatter(x, y, s=22, c=weights[i, layer, order], edgecolors="0.3", linewidths=0.4, **scale)
            draw_box(axes, boxes[i, layer], BLUE)
            if layer:
                draw_box(axes, boxes[i, layer - 1], BLUE, linestyle=":")
        row[0].set_ylabel(rows[i], fontsize=9)
    for axes, title in zip(cells[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    return figure


def plot_rounds(
    images: np.ndarray, boxes: Sequence[np.ndarray], kept: Sequence[np.ndarray], titles: Sequence[str]
) -> Figure:
    """How boxes come about: a row an image, a column a round, the first the boxes that it begins with.

    raw images (n, height, width, C); boxes: for each round (n, Q, 4); kept: for each image the queries whose boxes are
    objects in the end, which are drawn in colours of their own, the others thin and grey.
    """
    palette = [BLUE, VERMILLION, TRUTH, "#CC79A7", "#E69F00", "#56B4E9"]
    rounds = len(boxes)
    figure = new_figure(0.4 + 8.0 / rounds * len(images), layout="compressed")
    cells = figure.subplots(len(images), rounds, squeeze=False)
    for n, row in enumerate(cells):
        for axes, its in zip(row, boxes, strict=True):
            _show(axes, images[n])
            colour = {query: palette[i % len(palette)] for i, query in enumerate(kept[n])}
            for query in sorted(range(its.shape[1]), key=lambda query: query in colour):
                draw_box(axes, its[n, query], colour.get(query, "0.6"), width=1.5 if query in colour else 0.6)
    for axes, title in zip(cells[0], titles, strict=True):
        axes.set_title(title, fontsize=9)
    return figure


def _show(axes: Axes, image: np.ndarray) -> None:
    """A raw image, whose frame stays where it is, whatever is drawn on it."""
    picture = as_rgb(image[None])[0]
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[], xlim=(-0.5, picture.shape[1] - 0.5), ylim=(picture.shape[0] - 0.5, -0.5))
    axes.spines[:].set_color("0.8")
