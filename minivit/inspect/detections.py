"""What a detector found, beside what is there: boxes over images, its worst mistakes, precision over recall.

Detections are what `model.detect` gives, a dict an image: scores (n,), labels (n,), boxes (n, 4); what is there is
labels (t,), boxes (t, 4). Boxes are corners (x0, y0, x1, y1) in pixels throughout.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ..ops import iou_forward
from .canvas import BLUE, VERMILLION, WIDTH, as_rgb, new_figure

Found = Mapping[str, np.ndarray]

SURE = 0.5  # the least score that is shown; detectors.py has one for each loss
HIT = 0.5  # the least IoU with which an object counts as found
NEAR = 0.1  # the least with which an object was meant
IN_A_ROW = 4
TRUTH = "#009E73"  # the green of Okabe and Ito's palette
KINDS = ("another class", "a loose box", "twice", "nothing there", "missed")  # of mistakes


class Mistake(NamedTuple):
    """One of KINDS. score: of the detection; of a missed object how sure it was that this is not there. label: what was
    said, or what was missed; box (4,)."""

    kind: str
    score: float
    label: int
    box: np.ndarray


def detection_mistakes(found: Found, truth: Found, sure: float = SURE) -> list[Mistake]:
    """What is wrong with an image's detections of at least a score, and what they miss; the surest first.

    The surest detection takes its object first. One is right whose class is that of a free object that it covers by
    an IoU of HIT. Else it has seen an object of another class, or twice, or its box is loose; or nothing is there.
    """
    overlap = iou_forward(found["boxes"][:, None], truth["boxes"][None])[0]  # (n, t)
    same = found["labels"][:, None] == truth["labels"]
    free, mistakes = np.ones(len(truth["labels"]), bool), []
    for i in np.argsort(-found["scores"], kind="stable"):
        if found["scores"][i] < sure:
            break
        its = np.where(same[i] & free, overlap[i], 0)
        if its.max(initial=0) >= HIT:
            free[its.argmax()] = False
        else:
            mistakes.append(Mistake(_kind(overlap[i], same[i]), *(found[k][i] for k in ("scores", "labels", "boxes"))))
    reached = np.where(same & (overlap >= HIT), found["scores"][:, None], 0).max(axis=0, initial=0)
    for t in np.flatnonzero(free):
        doubt = 1 - min(float(reached[t]), sure)  # where another detection took it, it was not out of doubt
        mistakes.append(Mistake("missed", doubt, truth["labels"][t], truth["boxes"][t]))
    return sorted(mistakes, key=lambda mistake: -mistake.score)


def best_guesses(found: Found) -> Found:
    """Of detections with the very same box the surest: a query that answers for every class by itself (a focal loss's)
    says a box twice where it hesitates."""
    order = np.argsort(-found["scores"], kind="stable")
    _, first = np.unique(found["boxes"][order], axis=0, return_index=True)
    return {name: array[order[np.sort(first)]] for name, array in found.items()}


def _kind(overlap: np.ndarray, same: np.ndarray) -> str:
    """Of a detection that is wrong: its IoU with each object, and whether that is of its class."""
    if (overlap[same] >= HIT).any():
        return "twice"
    if (overlap[~same] >= HIT).any():
        return "another class"
    return "a loose box" if (overlap[same] >= NEAR).any() else "nothing there"


def plot_detections(
    images: np.ndarray,
    found: Sequence[Found],
    truth: Sequence[Found],
    names: Sequence[str] | None = None,
    sure: float = SURE,
    rows: int = 3,
) -> Figure:
    """A page of raw images: the first four, and those with the mistakes of which the detector was surest. Each box has
    the class that is likeliest for it.

    names: of the classes, their numbers if not given. What is there is a dotted green box; what was found is blue
    where it is right, red where not, with its class.
    """
    found = [best_guesses(its) for its in found]
    mistakes = [detection_mistakes(*both, sure) for both in zip(found, truth, strict=True)]
    wrong = [i for i in range(len(images)) if mistakes[i]]
    wrong.sort(key=lambda i: -mistakes[i][0].score)
    first, worst = list(range(min(IN_A_ROW, len(images)))), wrong[: IN_A_ROW * (rows - 1)]
    counts = {kind: sum(m.kind == kind for its in mistakes for m in its) for kind in KINDS}
    told = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    parts = [(_first_images(len(first), len(images), sum(len(one["labels"]) for one in truth)), first, "black")]
    if worst:
        parts.append((f"Where it was surest and wrong. All mistakes: {told}", worst, VERMILLION))
    heights = [-(-len(chosen) // IN_A_ROW) for _, chosen, _ in parts]
    figure = new_figure(0.4 * len(parts) + 2.15 * sum(heights))
    pages = figure.subfigures(len(parts), 1, squeeze=False, height_ratios=heights)[:, 0]
    for page, height, (title, chosen, colour) in zip(pages, heights, parts, strict=True):
        page.suptitle(title, color=colour, fontsize=10)
        cells = page.subplots(height, IN_A_ROW, squeeze=False).ravel()
        for axes in cells:
            axes.axis("off")
        for axes, i in zip(cells, chosen, strict=False):
            draw_detections(axes, images[i], found[i], truth[i], names, sure)
            if colour != "black":
                kind, score, label, _ = mistakes[i][0]
                told = "" if kind == "missed" else f", {score:.0%}"
                axes.set_title(f"{_name(label, names)}: {kind}{told}", fontsize=8, color=colour, pad=3)
    return figure


def _first_images(shown: int, images: int, objects: int) -> str:
    """The title of a page's first part, whose images may be all there are."""
    what = f"The first {shown} of {images:,} images" if shown < images else f"All {images} images"
    return f"{'The image' if images == 1 else what}, with {objects:,} object{'' if objects == 1 else 's'}"


def plot_found(picture: np.ndarray, found: Found, names: Sequence[str] | None = None) -> Figure:
    """One raw picture (height, width, 1 or 3), with all that was found in it."""
    height, width = picture.shape[:2]
    tall = min(10.0, WIDTH * height / width)
    figure = new_figure(tall, layout="compressed")
    axes = figure.subplots()
    draw_detections(axes, picture, found, None, names, sure=0, size=13, inches=tall * width / height)
    return figure


def draw_detections(
    axes: Axes,
    image: np.ndarray,
    found: Found,
    truth: Found | None = None,
    names: Sequence[str] | None = None,
    sure: float = SURE,
    size: float = 7,
    inches: float = WIDTH / IN_A_ROW,
) -> None:
    """One raw image (height, width, C) with what was found on it; the truth, where it is known, tells right from
    wrong. size: of the letters, in points; inches: how wide the image will be, about."""
    axes.imshow(as_rgb(image[None])[0], interpolation="nearest")
    axes.axis("off")
    wrong = [] if truth is None else [tuple(mistake.box) for mistake in detection_mistakes(found, truth, sure)]
    for box in [] if truth is None else truth["boxes"]:
        draw_box(axes, box, TRUTH, linestyle=":")
    point = image.shape[1] / (72 * inches)  # in pixels
    taken: list[tuple[float, ...]] = []
    for i in np.flatnonzero(found["scores"] >= sure):
        box = found["boxes"][i]
        colour = VERMILLION if tuple(box) in wrong else BLUE
        draw_box(axes, box, colour, width=size / 6)
        text = f"{_name(found['labels'][i], names)} {found['scores'][i]:.0%}"
        x, y, above = _place_of_text(box, len(text) * 0.6 * size * point, 1.3 * size * point, image.shape[:2], taken)
        halo = [withStroke(linewidth=size / 5, foreground="white")]
        place = dict(va="bottom" if above else "top", fontsize=size, path_effects=halo)
        axes.text(x, y, text, color=colour, **place).set_in_layout(False)


def _place_of_text(
    box: np.ndarray, width: float, height: float, shape: tuple[int, int], taken: list[tuple[float, ...]]
) -> tuple[float, float, bool]:
    """Where a box's text is, x and y, and whether it stands on y or hangs from it: on the box, or in it where it would
    leave the picture above. Where it would leave it elsewhere, or stand on another text (`taken`: left, right, top;
    this one is added), the first corner that is free; if none is, there all the same."""

    def top_of(place: tuple[float, float, bool]) -> float:
        return place[1] - height if place[2] else place[1]

    def free(place: tuple[float, float, bool]) -> bool:
        x, top = place[0], top_of(place)
        inside = -0.5 <= x <= shape[1] - 0.5 - width and top <= shape[0] - 0.5 - height
        return inside and not any(abs(top - y) < height and x < end and start < x + width for start, end, y in taken)

    x0, y0, x1, y1 = box - 0.5
    on = y0 > height - 0.5
    left, right, upper = max(x0, -0.5), x1 - width, y0 if on else max(y0, 0)
    places = (left, upper, on), (left, y1, False), (right, upper, on), (right, y1, False)
    place = next(filter(free, places), places[0])
    taken.append((place[0], place[0] + width, top_of(place)))
    return place


def draw_box(axes: Axes, box: np.ndarray, colour: str, linestyle: str = "-", width: float = 1.2) -> None:
    """Corners in pixels, whose centres have whole numbers on the axes of a picture: pixel 0 begins at −½. width: of the
    line, in points, of which no half is cut off where a box ends with the picture, or goes on beyond it."""
    x0, y0, x1, y1 = (float(side) - 0.5 for side in box)
    x0, x1 = np.clip((x0, x1), *sorted(axes.get_xlim()))
    y0, y1 = np.clip((y0, y1), *sorted(axes.get_ylim()))
    look = dict(fill=False, color=colour, lw=width, ls=linestyle)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, clip_on=False, **look)).set_in_layout(False)


class Curve(Protocol):
    """What is asked of an average precision here: train/average_precision.py has it."""

    @property
    def ap(self) -> float: ...
    def mean(self, size: str = "all", iou: float | None = None) -> float: ...
    def curve(self, iou: float = 0.5) -> np.ndarray: ...


def plot_precision_recall(results: Mapping[str, Curve]) -> Figure:
    """Precision over recall, the mean of the classes, for each detector by its name: at an IoU of .5, of .75 and .9."""
    figure = new_figure(3.0)
    recalls = np.linspace(0, 1, 101)
    for axes, iou in zip(figure.subplots(1, 3, sharey=True), (0.5, 0.75, 0.9), strict=True):
        for (name, result), colour in zip(results.items(), _colours(len(results)), strict=True):
            label = f"{name}: {result.mean(iou=iou):.3f}"
            axes.plot(recalls, result.curve(iou), color=colour, label=label)
        axes.set(title=f"IoU of {iou} or more", xlabel="recall", xlim=(0, 1), ylim=(0, 1.02))
        axes.grid(color="0.92")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8, title="average precision", title_fontsize=8, loc="lower left")
    figure.axes[0].set_ylabel("precision")
    return figure


def _colours(count: int) -> list[str]:
    palette = [BLUE, VERMILLION, TRUTH, "#CC79A7", "#E69F00", "#56B4E9", "black"]
    if count > len(palette):
        raise ValueError(f"{count} detectors, expected at most {len(palette)} in a picture")
    return palette[:count]


def _name(label: int, names: Sequence[str] | None) -> str:
    return str(label) if names is None else names[label]
