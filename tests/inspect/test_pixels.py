"""The pixels that an answer hangs on: the gradient is that of the logit; a page and a figure of any classifier."""

import numpy as np
import pytest

from minivit import Swin, ViT
from minivit.family import SwinConfig
from minivit.inspect import patch_filters, pixel_relevance, plot_page, plot_pixel_relevance
from minivit.proof import CONFIGS, order_one_parameters

CONFIG = SwinConfig(image_size=8, patch_size=2, channels=3, classes=3, width=4, depths=(2,), heads=(2,), window=2)
RAW = np.random.default_rng(0).random((2, 8, 8, 3))


def model(config=CONFIG):
    return Swin(config, params=order_one_parameters(config, kind=Swin))


def test_it_is_the_largest_slope_of_the_logit_over_the_channels():
    one, h = model(), 1e-5
    relevance = pixel_relevance(one, RAW, np.array([2, 0]))
    assert relevance.shape == (2, 8, 8)
    x = one.normalize(RAW)
    for b, k, row, column in ((0, 2, 3, 5), (1, 0, 7, 0)):
        slopes = []
        for c in range(3):
            step = np.zeros_like(x)
            step[b, row, column, c] = h
            slopes.append(abs(one(x + step)[b, k] - one(x - step)[b, k]) / (2 * h))
        assert relevance[b, row, column] == pytest.approx(max(slopes), rel=1e-5)


def test_the_likeliest_class_is_asked_about_unless_told():
    one = model()
    np.testing.assert_array_equal(pixel_relevance(one, RAW), pixel_relevance(one, RAW, one.predict(RAW).argmax(axis=1)))
    with pytest.raises(ValueError, match=r"classes are \[3 0\], expected one of 0 … 2 for each of 2 images"):
        pixel_relevance(one, RAW, np.array([3, 0]))
    with pytest.raises(ValueError, match="the model has no head"):
        pixel_relevance(model(SwinConfig(**CONFIG.to_dict() | {"classes": 0})), RAW)


def test_a_vit_has_them_too():
    config = next(config for config in CONFIGS.values() if config.classes)
    images = np.random.default_rng(0).random((2, *config.image_shape))
    assert pixel_relevance(ViT(config), images).shape == images.shape[:3]


def test_a_page_and_a_figure_of_a_swin():
    figure = plot_page(model(), RAW[:1], title="a title")
    assert [axes.get_title() for axes in figure.axes][::2] == ["what the model sees", "What it says"]
    assert len(plot_page(model(SwinConfig(**CONFIG.to_dict() | {"classes": 0})), RAW[:1]).axes) == 1
    assert "hangs on" in plot_pixel_relevance(model(), RAW).axes[0].get_title()


def test_a_swins_filters_are_its_patch_projection():
    one = model()
    filters, weight = patch_filters(one), one.params["patch_embed.proj.weight"]
    assert filters.shape == (4, 2, 2, 3)
    np.testing.assert_array_equal(filters[3].ravel(), weight[:, 3])
