"""The pictures of a detector: what detections.py and queries.py draw, asked of a model, and all of a run in a folder.

Images are raw here, (n, height, width, C), as `model.detect` takes them, of one size.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..ops import corners_forward, sigmoid_forward, softmax_forward
from .canvas import BLUE, VERMILLION, new_figure, save_figure
from .detections import TRUTH, Curve, Found, plot_detections, plot_precision_recall
from .queries import plot_cross_attention, plot_query_boxes, plot_rounds, plot_sampling_points

BATCH = 16  # images that the model looks at together
MOST = 3  # objects, or images, a page
SURE = {"softmax": 0.5, "focal": 0.3}  # the least score that is shown: a sigmoid's are lower (arXiv 1708.02002)


def sure_of(model: Any) -> float:
    """From which score on a detector's answers are worth a look."""
    return SURE[model.config.criterion.classify]


def said_by_layer(model: Any, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What every query says after every layer of the decoder: scores of each class (L, n, Q, K), and boxes
    (L, n, Q, 4), (cx, cy, w, h) relative to the images."""
    scores, boxes = [], []
    for start in range(0, len(images), BATCH):
        logits, its_boxes, *_ = model.run_on(model.layers, model.normalize(images[start : start + BATCH]))
        logits = model.device.to_numpy(logits)
        softmax = model.config.criterion.classify == "softmax"
        scores.append(softmax_forward(logits)[0][..., :-1] if softmax else sigmoid_forward(logits)[0])
        boxes.append(model.device.to_numpy(its_boxes))
    return np.concatenate(scores, axis=1), np.concatenate(boxes, axis=1)


def plot_detector_queries(model: Any, images: np.ndarray, sure: float | None = None) -> Figure:
    """Where each query's objects lie over the images: see `plot_query_boxes`."""
    scores, boxes = said_by_layer(model, images)
    return plot_query_boxes(boxes[-1], scores[-1].max(axis=-1), sure_of(model) if sure is None else sure)


def plot_detector_rounds(model: Any, images: np.ndarray, sure: float | None = None) -> Figure:
    """How the boxes on a few images come about, layer by layer; of a Sparse R-CNN also those it begins with."""
    scores, boxes = said_by_layer(model, images)
    sure = sure_of(model) if sure is None else sure
    kept = [np.flatnonzero(its.max(axis=-1) >= sure) for its in scores[-1]]
    titles = [f"layer {i}" for i in range(1, len(boxes) + 1)]
    if hasattr(model, "rounds"):
        boxes, titles = model.rounds(model.normalize(images)), ["at first", *(f"round {t[6:]}" for t in titles)]
    return plot_rounds(images, [_in_pixels(its, images) for its in boxes], kept, titles)


def plot_detector_attention(model: Any, image: np.ndarray, sure: float | None = None) -> Figure:
    """Where the heads of DETR's last decoder layer look for the surest objects of one image (1, height, width, C): at
    what ends them, more than at what they are (DETR, figure 6)."""
    queries, names, boxes = _surest(model, image, sure)
    maps = model.attention(model.normalize(image))["decoder"][-1, 0][:, queries]  # (H, n, N)
    maps = np.concatenate((maps.mean(axis=0, keepdims=True), maps)).swapaxes(0, 1)
    height, width = image.shape[1:3]
    rows = round((maps.shape[-1] * height / width) ** 0.5)
    maps = maps.reshape(*maps.shape[:2], rows, -1)
    titles = ["mean of heads", *(f"head {h}" for h in range(1, maps.shape[1]))]
    return plot_cross_attention(image[0], boxes[-1], maps, titles, names)


def plot_detector_sampling(model: Any, image: np.ndarray, sure: float | None = None) -> Figure:
    """Where Deformable DETR samples for the surest objects of one image (1, height, width, C), layer by layer."""
    queries, names, boxes = _surest(model, image, sure)
    sampled = model.sampling(model.normalize(image))
    size = np.array(image.shape[2:0:-1])  # x first
    points = np.stack([its["locations"][0, queries].reshape(len(queries), -1, 2) * size for its in sampled], axis=1)
    weights = np.stack([its["weights"][0, queries].reshape(len(queries), -1) for its in sampled], axis=1)
    titles = [f"layer {i}" for i in range(1, len(sampled) + 1)]
    return plot_sampling_points(image[0], boxes.swapaxes(0, 1), points, weights, titles, names)


def plot_detector_history(history: Sequence[dict[str, float]]) -> Figure:
    """The loss and the average precision over a training run; `history` holds a dict for each epoch."""
    if not history:
        raise ValueError("the history is empty, expected a dict for each epoch")
    figure, steps = new_figure(3.2), [row["steps"] for row in history]
    left, right = figure.subplots(1, 2)
    left.plot(steps, [row["train_loss"] for row in history], color=BLUE, marker="o", markersize=3)
    left.set(title="Loss", ylabel="set loss of all layers, a training batch", ylim=(0, None))
    for name, colour in (("AP50", VERMILLION), ("AP75", TRUTH), ("AP", BLUE)):
        values = [row[f"test_{name.lower()}"] for row in history]
        right.plot(steps, values, color=colour, marker="o", markersize=3, label=f"{name}: {values[-1]:.3f} in the end")
    right.set(title="Average precision", ylabel="on canvases that it has not seen", ylim=(0, 1))
    right.legend(frameon=False, fontsize=8)
    for axes in (left, right):
        axes.set(xlabel="step", xlim=(0, 1.03 * steps[-1]))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def write_detector_report(
    folder: str | os.PathLike,
    model: Any,
    history: Sequence[dict[str, float]],
    images: np.ndarray,
    found: Sequence[Found],
    truth: Sequence[Found],
    precision: Curve,
) -> list[Path]:
    """Write curves, detections, precision_recall, queries and rounds, attention of a DETR and sampling of a Deformable
    DETR; all .png. Returns their paths. found and truth: of the n raw images, see detections.py."""
    figures = {
        "curves": plot_detector_history(history),
        "detections": plot_detections(images, found, truth, sure=sure_of(model)),
        "precision_recall": plot_precision_recall({type(model).__name__: precision}),
        "queries": plot_detector_queries(model, images),
        "rounds": plot_detector_rounds(model, images[:MOST]),
    }
    # The image that has most to show.
    most = int(np.argmax([np.sum(its["scores"] >= sure_of(model)) for its in found]))
    if hasattr(model, "sampling"):
        figures["sampling"] = plot_detector_sampling(model, images[most : most + 1])
    elif not hasattr(model, "rounds"):
        figures["attention"] = plot_detector_attention(model, images[most : most + 1])
    paths = {name: Path(folder) / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_figure(figure, paths[name])
    return list(paths.values())


def _surest(model: Any, image: np.ndarray, sure: float | None) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Of one image the queries of the surest objects, what these are said to be, and their boxes in pixels after every
    layer, (L, n, 4). There is one, even where none is sure."""
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"the image has shape {image.shape}, expected (1, height, width, C)")
    scores, boxes = said_by_layer(model, image)
    best, sure = scores[-1, 0].max(axis=-1), sure_of(model) if sure is None else sure
    queries = np.argsort(-best, kind="stable")[: max(1, min(MOST, int((best >= sure).sum())))]
    names = [f"{scores[-1, 0, query].argmax()}: {best[query]:.0%}" for query in queries]
    return queries, names, _in_pixels(boxes[:, 0, queries], image)


def _in_pixels(boxes: np.ndarray, images: np.ndarray) -> np.ndarray:
    height, width = images.shape[1:3]
    return corners_forward(boxes)[0] * np.array([width, height, width, height])
