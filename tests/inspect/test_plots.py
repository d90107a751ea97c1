"""The pictures show the numbers that they were given, are written whole, and leave nothing behind."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from minivit.inspect import (
    class_attention,
    patch_filters,
    plot_attention,
    plot_history,
    plot_patch_filters,
    plot_position_similarity,
    plot_predictions,
    position_similarity,
    save_figure,
    write_report,
)
from minivit.inspect.canvas import as_rgb, mosaic, over_image, tile_centres, tinted
from minivit.inspect.plots import ATTENTION
from minivit.model import ViT, ViTConfig

HISTORY = [
    {"epoch": e, "steps": 9 * e, "learning_rate": 1e-3, "train_loss": 2 / e, "test_loss": 1.5 / e,
     "test_accuracy": 1 - 0.5 / e, "seconds": 1.0, "images_per_second": 900.0}
    for e in (1, 2, 3)
]  # fmt: skip


def tiny(**choices):
    config = {
        "image_size": (8, 12),
        "patch_size": (4, 3),
        "channels": 1,
        "classes": 3,
        "width": 8,
        "depth": 1,
        "heads": 2,
    }
    return ViT(ViTConfig(**config | choices), init="fan_in")


def raw_images(model, count=9):
    return np.random.default_rng(0).integers(0, 256, (count, *model.config.image_shape), np.uint8)


def picture(figure):
    """The pixels (height, width, 3) that the first axes of a figure show."""
    return np.asarray(figure.axes[0].images[0].get_array())


def texts(figure):
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_a_mosaic_holds_every_tile_at_its_place():
    tiles = np.random.default_rng(0).random((2, 3, 4, 5, 3))
    large = mosaic(tiles)
    assert large.shape == (2 * 4 + 1, 3 * 5 + 2, 3)
    assert np.array_equal(large[5:9, 12:17], tiles[1, 2])
    assert (large[4] == 1).all() and (large[:, 5] == 1).all()
    assert tile_centres(3, 5).tolist() == [2, 8, 14]


def test_images_are_shown_as_they_are_and_a_single_channel_as_ink():
    grey = np.array([0, 51, 255], np.uint8).reshape(1, 1, 3, 1)
    assert np.allclose(as_rgb(grey)[0, 0], [[1, 1, 1], [0.8, 0.8, 0.8], [0, 0, 0]])
    colour = np.array([[[[255, 0, 51]]]], np.uint8)
    assert np.allclose(as_rgb(colour), [1, 0, 0.2])
    assert np.array_equal(as_rgb(colour / 255), as_rgb(colour))
    with pytest.raises(ValueError, match=r"\(2, 4, 4\)"):
        as_rgb(np.zeros((2, 4, 4)))


def test_a_tint_keeps_its_squares():
    paper = np.ones((1, 4, 6, 3))
    squares = np.random.default_rng(0).random((1, 2, 3, 3))
    assert np.allclose(tinted(paper, squares), np.kron(squares[0], np.ones((2, 2, 1))))


def test_on_a_dark_picture_the_tints_are_told_apart():
    """It gets light, and its own lights stay; one that is light enough is printed as it is."""
    night = np.zeros((8, 8, 3))
    night[..., 2], night[2:4, 2:4] = 0.2, (0.7, 0, 0.1)
    day, squares = np.repeat(np.linspace(0, 1, 64).reshape(8, 8, 1), 3, axis=2), np.ones((2, 1, 1, 3))
    dark, light = tinted(np.stack((night, day)), squares)
    assert dark.min() > 0.68 and dark[2:4, 2:4].min() > dark[0].max() + 0.1
    assert np.allclose(light, 0.45 + 0.55 * day)


def test_the_curves_are_the_history():
    figure = plot_history(HISTORY)
    loss, accuracy = figure.axes
    assert [list(line.get_ydata()) for line in loss.lines] == [[2, 1, 2 / 3], [1.5, 0.75, 0.5]]
    assert [text.get_text() for text in loss.get_legend().get_texts()] == ["training batches", "test images"]
    assert list(accuracy.lines[0].get_ydata()) == [0.5, 0.75, 1 - 0.5 / 3]
    assert "83.33%" in accuracy.get_title()
    assert (plot_history(HISTORY[:1]).axes[0].get_xticks() % 1 == 0).all()  # no "epoch 0.9"
    assert plot_history([one | {"test_accuracy": 1.0} for one in HISTORY]).axes[1].get_ylim()[1] < 1.01
    with pytest.raises(ValueError, match="history is empty"):
        plot_history([])


def test_predictions_show_the_right_ones_and_the_worst_mistakes():
    images = raw_images(tiny(), 3)
    probabilities = np.array([[0.9, 0.1, 0.0], [0.3, 0.6, 0.1], [0.1, 0.1, 0.8]])
    figure = plot_predictions(images, np.array([0, 0, 1]), probabilities, classes=["cat", "dog", "emu"])
    assert texts(figure) == ["true cat\nsaid cat\n90.0%", "true dog\nsaid emu\n80.0%", "true cat\nsaid dog\n60.0%"]
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images]
    assert np.array_equal(shown, as_rgb(images[[0, 2, 1]]))
    only_right = plot_predictions(images, np.array([0, 1, 2]), probabilities)
    assert texts(only_right) == ["true 0\nsaid 0\n90.0%", "true 1\nsaid 1\n60.0%", "true 2\nsaid 2\n80.0%"]
    assert len(texts(plot_predictions(images, np.array([1, 2, 0]), probabilities))) == 3  # only wrong ones
    assert only_right.subfigs[0].get_suptitle() == "3 of 3 right"
    many = plot_predictions(np.repeat(images, 3, axis=0), np.repeat([0, 1, 2], 3), np.repeat(probabilities, 3, axis=0))
    assert many.subfigs[0].get_suptitle() == "9 of 9 right, the first 8"


def test_filters_are_on_one_scale_around_zero_the_strongest_first():
    model = tiny(width=34)
    weight = model.params["patch_embed.proj.weight"]
    weight[:] = 0
    weight[5, 13] = -2.0  # pixel (1, 2) of a patch of 4 x 3
    figure = plot_patch_filters(model)
    large = picture(figure)
    blue = large[1, 2]
    assert blue[2] > 0.3 > blue[0]  # the darkest blue of the scale, at the first filter's pixel
    assert np.allclose(large[0, 0], large[3, 2]) and large[0, 0].min() > 0.95  # zero is all but white
    assert large.shape == (3 * 4 + 2, 16 * 3 + 15, 3)  # 34 filters in rows of 16
    assert "all 34 filters" in texts(figure)[0]
    assert "5 of 34" in texts(plot_patch_filters(model, count=5))[0]


def test_colour_filters_are_shown_in_colour():
    model = tiny(channels=3)
    filters = patch_filters(model)
    strongest = filters[np.argmax((filters**2).sum(axis=(1, 2, 3)))]
    shown = picture(plot_patch_filters(model))[:4, :3]
    assert np.allclose(shown, 0.5 + 0.5 * strongest / np.abs(filters).max(), atol=1e-5)


def test_each_map_of_positions_is_at_its_patch():
    model = tiny()
    from_viridis = picture(plot_position_similarity(model))
    similarity = position_similarity(model)  # (2·4, 2, 4)
    tile = from_viridis[3:5, 10:14]  # of the patch in row 1, column 2
    assert np.array_equal(tile[..., 1].argsort(axis=None), similarity[6].argsort(axis=None))  # viridis: green rises


@pytest.mark.parametrize("grid", [(2, 14), (14, 2), (5, 1), (16, 14), (3, 3)])
def test_the_bar_of_the_positions_is_as_tall_as_they_are_and_all_is_on_the_page(grid):
    figure = plot_position_similarity(tiny(image_size=(4 * grid[0], 3 * grid[1])))
    figure.draw_without_rendering()
    assert figure.get_figheight() < 9
    maps, bar = (axes.get_window_extent() for axes in figure.axes)
    assert np.allclose([maps.y0, maps.y1], [bar.y0, bar.y1], atol=1)
    parts = [axes.get_tightbbox() for axes in figure.axes]
    assert all(figure.bbox.x0 <= part.x0 and part.x1 <= figure.bbox.x1 for part in parts)
    assert all(figure.bbox.y0 <= part.y0 and part.y1 <= figure.bbox.y1 for part in parts)
    for labels in (figure.axes[0].get_xticklabels(), figure.axes[0].get_yticklabels()):
        assert not any(a.overlaps(b) for a, b in pairwise(label.get_window_extent() for label in labels))


@pytest.mark.parametrize("pool", ["cls", "gap"])
def test_attention_is_drawn_over_its_image_head_by_head(pool):
    model = tiny(pool=pool)
    images = np.zeros_like(raw_images(model, 3))  # nothing but paper, so that the colours are the map's
    images[1] = 255
    figure = plot_attention(model, images, np.array([2, 0, 1]))
    large = picture(figure)
    assert large.shape == (4 * 8 + 3, 3 * 12 + 2, 3)  # image, mean, two heads; three images
    assert (large[:8, :12] == 1).all() and (large[:8, 13:25] == 0).all()
    looks = class_attention(model, images)[2, 1]
    squares = ATTENTION(looks / looks.max())[..., :3]
    assert np.allclose(large[27:, 26:], squares.repeat(4, axis=0).repeat(3, axis=1), atol=1e-6)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["2", "0", "1"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["image", "mean of heads", "head 1", "head 2"]
    assert ("class token" in axes.get_title()) == (pool == "cls")


def test_the_attention_on_one_image_is_a_row():
    model = tiny()
    figure = plot_attention(model, raw_images(model, 1), np.array([2]), classes=["ant", "bee", "cat"])
    assert picture(figure).shape == (8, 4 * 12 + 3 * 2, 3)
    assert [text.get_text() for text in figure.axes[0].texts] == ["image", "mean of heads", "head 1", "head 2"]
    assert texts(figure) == ["“cat”: where the class token looks in the last block"]


@pytest.mark.parametrize("size", [(8, 12), (4, 36)])
@pytest.mark.parametrize("heads", [2, 4, 8])
@pytest.mark.parametrize("count", [1, 9])
def test_the_bar_is_as_wide_as_the_maps_and_those_of_one_image_are_centred(count, heads, size):
    model = tiny(image_size=size, heads=heads, classes=9)
    figure = plot_attention(model, raw_images(model, count), np.arange(count), ["an animal of many words"] * 9)
    figure.draw_without_rendering()
    maps, bar = (axes.get_window_extent() for axes in (figure.axes[0], *figure.axes[0].child_axes))
    assert np.allclose([maps.x0, maps.x1], [bar.x0, bar.x1], atol=0.5) and bar.y1 < maps.y0
    assert count > 1 or abs(maps.x0 + maps.x1 - figure.bbox.width) < 2
    names = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert not any(a.overlaps(b) for a, b in pairwise(names))


@pytest.mark.parametrize("choices", [{}, {"channels": 3, "pool": "gap", "position": "sincos2d"}, {"position": "none"}])
def test_a_report_is_a_folder_of_pictures(tmp_path, choices):
    model = tiny(**choices)
    images, labels = raw_images(model), np.arange(9) % 3
    paths = write_report(tmp_path / "run", model, HISTORY, images, labels, model.predict(images))
    names = {"curves.png", "predictions.png", "patch_filters.png", "attention.png", "position_similarity.png"}
    assert {path.name for path in paths} == names - (
        {"position_similarity.png"} if "none" in choices.values() else set()
    )
    assert sorted(paths) == sorted((tmp_path / "run").iterdir())  # and no temporary file beside them
    for path in paths:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert pixels.shape[1] == 1200 and 200 < pixels.shape[0] < 2000
        assert (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()  # white around, nothing cut off
        assert pixels.min() < 64


def test_a_format_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=r"page\.doc ends in \.doc, expected one of .*\.png"):
        save_figure(plot_history(HISTORY), tmp_path / "page.doc")
    assert not list(tmp_path.iterdir())


def test_a_figure_is_written_in_the_format_of_its_name(tmp_path):
    save_figure(plot_history(HISTORY), tmp_path / "curves.svg")
    assert b"<svg" in (tmp_path / "curves.svg").read_bytes()
    with pytest.raises(ValueError, match="jpegs"):
        save_figure(plot_history(HISTORY), tmp_path / "curves.jpegs")
    assert [path.name for path in tmp_path.iterdir()] == ["curves.svg"]


def test_threads_may_draw_side_by_side(tmp_path):
    def draw(i):
        save_figure(plot_history(HISTORY), tmp_path / f"{i}.png", dpi=50)
        return (tmp_path / f"{i}.png").read_bytes()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(4)))) == 1


def test_no_pyplot_and_no_screen_is_needed():
    code = (
        "import json, sys, minivit.inspect; print(json.dumps([m for m in sys.modules if m.startswith('matplotlib')]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "matplotlib.figure" in json.loads(done.stdout) and "matplotlib.pyplot" not in json.loads(done.stdout)
    assert isinstance(plot_history(HISTORY), Figure)


def test_many_heads_on_one_image_are_rows_with_a_name_under_each():
    model = tiny(heads=8)
    images = raw_images(model, 1)
    axes = plot_attention(model, images, np.array([2])).axes[0]
    large, names = np.asarray(axes.images[0].get_array()), [text.get_text() for text in axes.texts]
    assert large.shape == (2 * 8 + 2, 6 * 12 + 5 * 2, 3)
    assert names == ["image", "mean of heads", *(f"head {i}" for i in range(1, 9))]
    looks = class_attention(model, images)
    assert np.allclose(large[10:, 14:26], over_image(images, looks[:, 5])[0], atol=1e-6)  # head 6, below the mean
    assert axes.texts[7].get_position() == (14 + 6, 18)
