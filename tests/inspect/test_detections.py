"""What is called a mistake of a detector, and that the pictures show what they were given."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.patches import Rectangle

from minivit.inspect.canvas import BLUE, VERMILLION
from minivit.inspect.detections import (
    TRUTH,
    best_guesses,
    detection_mistakes,
    draw_detections,
    plot_detections,
    plot_found,
    plot_precision_recall,
)
from minivit.inspect.queries import plot_cross_attention, plot_query_boxes, plot_rounds, plot_sampling_points

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 40, 60, 1), np.uint8)


def entry(*rows, scores=True):
    """Rows (score, label, x0, y0, x1, y1), or without scores."""
    table = np.array(rows, float).reshape(len(rows), 6 if scores else 5)
    found = {"labels": table[:, -5].astype(int), "boxes": table[:, -4:]}
    return found | ({"scores": table[:, 0]} if scores else {})


TRUE = entry((7, 0, 0, 10, 20), (1, 20, 0, 30, 20), scores=False)
CASES = {
    "right": ([(0.9, 7, 0, 0, 10, 18), (0.8, 1, 20, 0, 30, 20)], []),
    "another class": ([(0.9, 2, 0, 0, 10, 20), (0.8, 1, 20, 0, 30, 20)], [("missed", 7), ("another class", 2)]),
    "loose": ([(0.9, 7, 0, 10, 10, 30), (0.8, 1, 20, 0, 30, 20)], [("missed", 7), ("a loose box", 7)]),
    "twice": (
        [(0.7, 7, 0, 0, 10, 19), (0.9, 7, 0, 0, 10, 20), (0.8, 1, 20, 0, 30, 20)],
        [("twice", 7)],
    ),
    "nothing": (
        [(0.9, 7, 0, 0, 10, 20), (0.8, 1, 20, 0, 30, 20), (0.6, 3, 30, 30, 40, 40)],
        [("nothing there", 3)],
    ),
    "not sure": ([(0.9, 7, 0, 0, 10, 20), (0.4, 1, 20, 0, 30, 20), (0.3, 5, 0, 0, 10, 20)], [("missed", 1)]),
    "none": ([], [("missed", 7), ("missed", 1)]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_called_a_mistake(name):
    rows, expected = CASES[name]
    assert [(m.kind, m.label) for m in detection_mistakes(entry(*rows), TRUE)] == expected


def test_on_an_empty_image_everything_is_wrong():
    nothing = entry(scores=False)
    (mistake,) = detection_mistakes(entry((0.9, 7, 0, 0, 10, 20)), nothing)
    assert mistake.kind == "nothing there" and mistake.score == 0.9
    assert detection_mistakes(entry(), nothing) == []


def test_a_box_has_its_likeliest_class():
    found = entry((0.4, 2, 0, 0, 10, 18), (0.9, 7, 0, 0, 10, 18), (0.6, 3, 0, 0, 10, 19), (0.5, 1, 0, 0, 10, 18))
    best = best_guesses(found)
    assert best["labels"].tolist() == [7, 3] and best["scores"].tolist() == [0.9, 0.6]
    assert len(best_guesses(entry())["labels"]) == 0


def boxes_on(axes):
    """Colour -> the boxes of it, back in pixels."""
    found = {}
    for patch in axes.patches:
        if isinstance(patch, Rectangle):
            x, y = np.add(patch.get_xy(), 0.5)
            box = [x, y, x + patch.get_width(), y + patch.get_height()]
            found.setdefault(patch.get_edgecolor(), []).append(np.round(box, 6).tolist())
    return found


def test_the_boxes_are_drawn_where_they_are_and_in_their_colour():
    from matplotlib.colors import to_rgba
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    found = entry((0.9, 7, 0, 0, 10, 18), (0.8, 3, 30, 20, 40, 40), (0.2, 1, 20, 0, 30, 20))
    draw_detections(axes, IMAGES[0], found, TRUE, names=[f"class {k}" for k in range(10)])
    drawn = boxes_on(axes)
    assert drawn[to_rgba(BLUE)] == [[0, 0, 10, 18]] and drawn[to_rgba(VERMILLION)] == [[30, 20, 40, 40]]
    assert drawn[to_rgba(TRUTH)] == TRUE["boxes"].tolist()
    assert [text.get_text() for text in axes.texts] == ["class 7 90%", "class 3 80%"]


def test_a_picture_by_itself_has_letters_that_can_be_read():
    (axes,) = plot_found(IMAGES[0], entry((0.9, 7, 0, 0, 10, 18), (0.8, 3, 30, 20, 40, 40))).axes
    assert [text.get_text() for text in axes.texts] == ["7 90%", "3 80%"]
    assert min(text.get_fontsize() for text in axes.texts) >= 12
    inside, above = (text.get_va() for text in axes.texts)
    assert (inside, above) == ("top", "bottom")  # what stands at the picture's top has its letters in its box


def test_no_letters_stand_on_others():
    boxes = [(30, 20, 50, 40), (30, 21, 52, 41), (29, 20, 51, 41), (31, 20, 53, 41), (2, 20, 20, 40)]
    found = entry(*((0.9 - i / 100, i, *box) for i, box in enumerate(boxes)))
    figure = plot_found(np.zeros((64, 64, 1), np.uint8), found)
    FigureCanvasAgg(figure).draw()
    places = [text.get_window_extent() for text in figure.axes[0].texts]
    assert not any(a.overlaps(b) for i, a in enumerate(places) for b in places[:i])
    assert [text.get_va() for text in figure.axes[0].texts] == ["bottom", "top", "bottom", "top", "bottom"]


@pytest.mark.parametrize("shape", [(64, 64), (400, 100)])
def test_letters_stay_on_the_picture_and_apart_where_it_is_tall_too(shape):
    """A tall picture is narrower than the page, so that its letters take more of its pixels."""
    height, width = shape
    low = height - 40, height - 20
    boxes = [(width - 6, 20, width, 40), (2, low[0], 30, low[1]), (width // 2, low[0], width, low[1])]
    found = entry(*((0.9, 0, *box) for box in boxes))
    figure = plot_found(np.zeros((*shape, 1), np.uint8), found, ["bicycle"])
    FigureCanvasAgg(figure).draw()
    texts, picture = [text.get_window_extent() for text in figure.axes[0].texts], figure.axes[0].get_window_extent()
    assert all(picture.x0 <= text.x0 and text.x1 <= picture.x1 for text in texts)
    assert not any(a.overlaps(b) for i, a in enumerate(texts) for b in texts[:i])


def test_the_page_shows_the_surest_mistake_first():
    right = CASES["right"][0]
    found = [entry(*right), entry(*CASES["nothing"][0]), entry(*CASES["another class"][0])]
    figure = plot_detections(IMAGES, found, [TRUE] * 3)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["7: missed", "3: nothing there, 60%"]
    assert "1 another class, 1 nothing there, 1 missed" in figure.subfigs[1].get_suptitle()
    assert len(plot_detections(IMAGES[:1], [entry(*right)], [TRUE]).subfigs) == 1  # no mistake, no page of them


def test_a_page_says_how_many_of_the_images_it_shows():
    def title(count):
        images = np.repeat(IMAGES[:1], count, axis=0)
        return plot_detections(images, [entry()] * count, [TRUE] * count).subfigs[0].get_suptitle()

    told = ["The image, with 2 objects", "All 4 images, with 8 objects", "The first 4 of 5 images, with 10 objects"]
    assert [title(count) for count in (1, 4, 5)] == told


class Steep:
    ap = 0.5

    def mean(self, size="all", iou=None):
        return iou

    def curve(self, iou=0.5):
        return np.linspace(1, iou, 101)


def test_precision_over_recall():
    figure = plot_precision_recall({"one": Steep(), "two": Steep()})
    for axes, iou in zip(figure.axes, (0.5, 0.75, 0.9), strict=True):
        assert np.array_equal(axes.lines[1].get_ydata(), np.linspace(1, iou, 101))
        assert axes.get_legend_handles_labels()[1] == [f"one: {iou:.3f}", f"two: {iou:.3f}"]
    with pytest.raises(ValueError, match="8 detectors, expected at most 7"):
        plot_precision_recall({str(i): Steep() for i in range(8)})


def test_a_query_s_square_has_the_boxes_of_which_it_was_sure():
    rng = np.random.default_rng(1)
    boxes, scores = rng.uniform(0.1, 0.9, (20, 7, 4)), rng.random((20, 7))
    figure = plot_query_boxes(boxes, scores, sure=0.6)
    for query in range(7):
        (dots,) = (c for c in figure.axes[query].collections if isinstance(c, PathCollection))
        sure = scores[:, query] >= 0.6
        assert np.allclose(dots.get_offsets(), boxes[sure, query, :2])
        assert figure.axes[query].get_title() == f"query {query}: {sure.mean():.0%}"


def test_attention_points_and_rounds_have_a_picture_each():
    rng, box = np.random.default_rng(2), np.array([[5.0, 5, 20, 30]])
    maps = rng.random((1, 3, 5, 6))
    figure = plot_cross_attention(IMAGES[0], box, maps, ["a", "b", "c"], ["an object"])
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "c"]
    assert all(boxes_on(axes)[next(iter(boxes_on(axes)))] == box.tolist() for axes in figure.axes)

    points, weights, boxes = rng.uniform(0, 40, (1, 2, 8, 2)), rng.random((1, 2, 8)), rng.uniform(0, 40, (1, 2, 4))
    figure = plot_sampling_points(IMAGES[0], boxes, points, weights, ["1", "2"], ["an object"])
    dots, order = figure.axes[1].collections[0], np.argsort(weights[0, 1])
    assert np.allclose(dots.get_offsets(), points[0, 1, order] - 0.5)
    assert np.allclose(dots.get_array(), weights[0, 1, order])
    assert [len(axes.patches) for axes in figure.axes] == [1, 2]  # and the box of the layer before

    rounds = [np.tile([0.0, 0, 60, 40], (2, 4, 1)), rng.uniform(0, 40, (2, 4, 4))]
    figure = plot_rounds(IMAGES[:2], rounds, [np.array([1]), np.array([0, 3])], ["first", "then"])
    counts = [sorted(map(len, boxes_on(axes).values())) for axes in figure.axes]
    assert counts == [[1, 3], [1, 3], [1, 1, 2], [1, 1, 2]]
