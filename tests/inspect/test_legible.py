"""Names as people's folders have them, and a run's first evaluation: nothing that is written on a picture lies over
something else, or is cut, and what is drawn is seen."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from minivit import ViT, ViTConfig
from minivit.family import ResNet, ResNetConfig
from minivit.inspect import plot_attention, plot_page, plot_predictions
from minivit.inspect.canvas import wrapped
from minivit.inspect.detectors import plot_detector_history

NAMES = [
    "Staffordshire_bullterrier",
    "photographer",
    "ruby-throated hummingbird of the Americas",
    "Pneumonoultramicroscopicsilicovolcanoconiosis",
]
IMAGES = np.random.default_rng(0).random((10, 8, 8, 1))
VIT = ViT(ViTConfig(image_size=8, patch_size=4, channels=1, classes=4, width=8, depth=1, heads=2))
RESNET = ResNet(ResNetConfig(image_size=8, channels=1, classes=4, depths=(1,), widths=(4,), inner=(4,)))


def assert_nothing_overlaps(figure, texts):
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    assert len(boxes) > 1
    for box in boxes:
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, box
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), (a, b)


def test_predictions():
    labels = np.arange(10) % 4
    figure = plot_predictions(IMAGES, labels, np.eye(4)[labels // 2 * 2], NAMES)
    assert_nothing_overlaps(figure, [axes.title for axes in figure.axes])


@pytest.mark.parametrize("model", [VIT, RESNET], ids=["ViT", "ResNet"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page(model, name):
    figure = plot_page(model, IMAGES[:1], [name] * 4, f"picture.png, seen by model.npz: {model!r}, {model!r}")
    assert_nothing_overlaps(figure, [figure._suptitle, *(axes.title for axes in figure.axes)])


def test_ten_columns_of_attention():
    figure = plot_attention(VIT, IMAGES, np.arange(10) % 4, NAMES)
    assert_nothing_overlaps(figure, figure.axes[0].get_xticklabels())


def test_one_evaluation_of_a_detector_is_seen():
    row = {"steps": 100, "train_loss": 3.0, "test_ap": 0.1, "test_ap50": 0.3, "test_ap75": 0.2}
    figure = plot_detector_history([row])
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    picture = np.asarray(canvas.buffer_rgba())[..., :3].astype(int)
    for axes in figure.axes:
        x, y = axes.transData.transform((row["steps"], axes.lines[0].get_ydata()[0]))
        spot = picture[::-1][round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
        assert (spot.max(axis=-1) - spot.min(axis=-1)).max() > 100  # in colour, not white and no grey line


def test_a_name_is_cut_between_words():
    assert wrapped(["cat", "Staffordshire_bullterrier", "ruby-throated"], 1.3) == [
        "cat",
        "Staffordshire\nbullterrier",
        "ruby-throated",
    ]
