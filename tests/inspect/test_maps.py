"""The figures of what is looked at show the numbers of their arrays, for every kind of model."""

import numpy as np
import pytest
from inspect_support import VARIANTS, raw_images, tiny
from PIL import Image

from minivit.inspect import (
    attention_distance,
    attention_maps,
    class_relevance,
    even_distance,
    patch_filter_components,
    patch_token_colours,
    plot_attention_distance,
    plot_attention_layers,
    plot_page,
    plot_patch_filter_components,
    plot_patch_filters,
    plot_patch_tokens,
    plot_position_similarity,
    plot_relevance,
    plot_rollout,
    save_figure,
)
from minivit.inspect.canvas import ATTENTION, enlarged, mosaic, over_image
from minivit.inspect.maps import filter_mosaic
from minivit.inspect.plots import position_mosaic


def picture(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def labels(ticks):
    return [tick.get_text() for tick in ticks]


def test_a_map_over_its_image_runs_from_nothing_to_the_most():
    white = np.full((1, 4, 4, 3), 255, np.uint8)
    maps = np.array([[[0, 1], [2, 4]]]) * 0.01
    shown = over_image(white, maps)[0]
    np.testing.assert_allclose(shown[::2, ::2], ATTENTION(maps[0] / 0.04)[..., :3], atol=1e-6)
    assert np.allclose(shown[2:, 2:], shown[3, 3])
    assert np.allclose(over_image(white, 0 * maps), ATTENTION(0.0)[:3])  # nothing at all is no error
    large = np.full((1, 10, 20), 1.0)
    large[0, 0, :2] = 1e6  # two patches in 200 that outshine all others
    assert np.allclose(over_image(np.full((1, 10, 20, 3), 1.0), large), ATTENTION(1.0)[:3])


def test_squares_fill_a_picture_that_they_do_not_divide():
    squares = np.arange(6.0).reshape(1, 2, 3, 1)
    assert enlarged(squares, (3, 7))[0, ..., 0].tolist() == [[0, 0, 0, 1, 1, 2, 2]] * 2 + [[3, 3, 3, 4, 4, 5, 5]]


def test_every_head_of_every_block_has_its_place():
    model = tiny(heads=4)
    image = raw_images(model, 1)
    figure = plot_attention_layers(model, image)
    axes, maps = figure.axes[0], attention_maps(model, image)[:, 0]
    assert labels(axes.get_xticklabels()) == ["1", "2", "3", "4"] and labels(axes.get_yticklabels()) == ["1", "2"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("head", "block")
    shown = picture(figure)
    assert shown.shape == (2 * 6 + 1, 4 * 12 + 3, 3)
    assert np.allclose(shown[7:13, 26:38], over_image(image, maps[1, 2][None])[0])
    with pytest.raises(ValueError, match="expected \\(1, height, width, C\\)"):
        plot_attention_layers(model, raw_images(model, 2))


def test_relevance_is_drawn_for_the_two_likeliest_classes():
    model = tiny()
    images = raw_images(model)
    figure = plot_relevance(model, images, classes=["ant", "bee", "cat", "dog", "elk"])
    order = model.predict(images).argsort(axis=1)[:, ::-1]
    axes, shown = figure.axes[0], picture(figure)
    assert labels(axes.get_yticklabels()) == ["image", "for the likeliest", "for the second"]
    assert labels(axes.get_xticklabels())[1] == f"{'abcde'[order[1, 0]]}" + "|".join(
        ["nt", "ee", "at", "og", "lk"][k] if i == 0 else ["ant", "bee", "cat", "dog", "elk"][k]
        for i, k in enumerate(order[1, :2])
    ).replace("|", "\nor ")
    second = over_image(images, class_relevance(model, images, order[:, 1]))
    assert np.allclose(shown[14:20, 13:25], second[1], atol=1e-6)
    one = tiny(classes=1)
    assert labels(plot_relevance(one, images).axes[0].get_yticklabels()) == ["image", "for the likeliest"]


@pytest.mark.parametrize("count", [1, 3])
def test_one_image_is_a_row_and_several_are_columns(count):
    model = tiny()
    images = raw_images(model, count)
    rollout, tokens = plot_rollout(model, images, discard=0.5), plot_patch_tokens(model, images, list("abc")[:count])
    names = ["image", "mean of heads", "max of heads", "min of heads"]
    axes = rollout.axes[0]
    assert labels(axes.get_xticklabels() if count == 1 else axes.get_yticklabels()) == names
    assert "50%" in axes.get_title()
    axes = tokens.axes[0]
    across, down = labels(axes.get_xticklabels()), labels(axes.get_yticklabels())
    assert (across, down) == ((["image", "tokens"], ["a"]) if count == 1 else (["a", "b", "c"], ["image", "tokens"]))
    squares = enlarged(patch_token_colours(model, images), (6, 12))
    assert np.allclose(picture(tokens)[-6:, -12:], squares[-1])


def test_the_distances_are_dots_and_their_means_a_line():
    model = tiny(depth=3)
    images = raw_images(model, 5)
    axes = plot_attention_distance(model, images).axes[0]
    even, mean, heads = axes.lines
    distances = attention_distance(model, images)
    assert even.get_ydata()[0] == even_distance(model.config)
    assert np.allclose(mean.get_ydata(), distances.mean(axis=1)) and list(mean.get_xdata()) == [1, 2, 3]
    assert np.allclose(heads.get_ydata(), distances.ravel()) and list(heads.get_xdata()) == [1, 1, 2, 2, 3, 3]
    assert "5 images" in axes.get_title() and "pixels" in axes.get_ylabel()


@pytest.mark.parametrize("channels", [1, 3])
def test_components_are_drawn_each_on_its_own_scale(channels):
    model = tiny(channels=channels)
    components, _ = patch_filter_components(model)
    shown = picture(plot_patch_filter_components(model))
    assert np.allclose(shown, filter_mosaic(components, 7))
    assert shown.shape == ((2, 6 * 3 + 5, 3) if channels == 1 else (2 * 2 + 1, 7 * 3 + 6, 3))
    first = components[0] / np.abs(components[0]).max()
    if channels == 3:
        assert np.allclose(shown[:2, :3], (1 + first) / 2)
    else:  # red above zero, blue below
        assert ((shown[:2, :3, 0] > shown[:2, :3, 2]) == (first[..., 0] > 0)).all()


def test_of_a_large_grid_some_positions_get_their_maps():
    model = tiny(image_size=(40, 12), position="sincos2d")  # 20 x 4 patches
    shown, rows, columns = position_mosaic(model, 7)
    assert rows.tolist() == [0, 3, 6, 10, 13, 16, 19] and columns.tolist() == [0, 1, 2, 3]
    assert shown.shape == (7 * 20 + 6, 4 * 4 + 3, 3)
    figure = plot_position_similarity(model, most=7)
    assert labels(figure.axes[0].get_yticklabels()) == ["1", "4", "7", "11", "14", "17", "20"]
    assert np.array_equal(picture(figure), shown)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_model_has_its_page(name, tmp_path):
    model = tiny(**VARIANTS[name])
    figure = plot_page(model, raw_images(model, 1), classes=["ant", "bee", "cat", "dog", "elk"], title="a page")
    titles = [axes.get_title() for axes in figure.axes]
    likeliest = model.predict(raw_images(model, 1)).argmax()
    assert titles[:2] == ["what the model sees", f"speaks for\n“{['ant', 'bee', 'cat', 'dog', 'elk'][likeliest]}”"]
    assert "What it says" in titles and "How far each head looks" in titles
    assert ("How alike positions are" in titles) == (name not in ("relative", "no positions"))
    save_figure(figure, tmp_path / "page.png", dpi=100)
    with Image.open(tmp_path / "page.png") as page:
        pixels = np.asarray(page.convert("L"))
    assert pixels.shape[1] == 800 and (pixels[[0, -1]] == 255).all() and (pixels[:, [0, -1]] == 255).all()


def test_a_model_without_classes_has_a_page_without_them(tmp_path):
    model = tiny(classes=0, heads=8)
    figure = plot_page(model, raw_images(model, 1))
    titles = [axes.get_title() for axes in figure.axes]
    assert "What it says" not in titles and "attention, last block,\nmean of heads" in titles
    assert sum(axes.get_xlabel().startswith("head ") for axes in figure.axes) == 8
    save_figure(figure, tmp_path / "page.svg")
    with pytest.raises(ValueError, match="expected \\(1, height, width, C\\)"):
        plot_page(model, raw_images(model, 2))


def test_a_hybrids_filters_are_called_what_they_are():
    model = tiny(**VARIANTS["hybrid"])
    assert "first convolution" in plot_patch_filters(model).axes[0].get_title()
    assert np.allclose(picture(plot_patch_filters(model))[:7, :7].shape, (7, 7, 3))
    assert mosaic(np.ones((1, 1, 2, 2, 3))).shape == (2, 2, 3)
