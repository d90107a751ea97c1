"""A Picture shows itself, in pixels and in words."""

import base64

import numpy as np
import pytest
from draw_support import ALT, check
from PIL import Image

from minivit import draw
from minivit.draw.charts import STYLES
from minivit.inspect import plot_history
from minivit.inspect.canvas import BLUE, VERMILLION

HISTORY = [{"epoch": e, "train_loss": 1 / e, "test_loss": 1 / e, "test_accuracy": 1 - 1 / e} for e in (1, 2)]


def test_a_figure_of_inspect_is_a_picture():
    picture = draw.picture(plot_history(HISTORY), alt=ALT)
    pixels = check(picture, written=False)
    assert picture.width == 800
    assert pixels.shape[1] == 1040


def test_what_ipython_gets():
    picture = draw.matrix(np.eye(3), alt=ALT)
    data, known = picture._repr_mimebundle_(include=None, exclude=None)
    assert base64.b64decode(data["image/png"]) == picture.png
    assert data["text/plain"] == ALT
    assert f'alt="{ALT}"' in data["text/html"] and data["image/png"] in data["text/html"]
    assert known == {"image/png": {"alt": ALT, "width": picture.width}}


def test_save(tmp_path):
    picture = draw.matrix(np.eye(3), alt=ALT)
    picture.save(tmp_path / "eye.png")
    picture.save(tmp_path / "eye.svg")
    assert Image.open(tmp_path / "eye.png").width > 100
    assert "<svg" in (tmp_path / "eye.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("alt", ["", "  \n", None])
def test_words_are_a_must(alt):
    with pytest.raises(ValueError, match=r"alt is .*expected a sentence"):
        draw.matrix(np.eye(3), alt=alt)


def test_only_figures():
    with pytest.raises(TypeError, match="ndarray, expected a Matplotlib Figure"):
        draw.picture(np.eye(3), alt=ALT)


def test_a_wide_figure_is_made_as_wide_as_the_page():
    figure = plot_history(HISTORY)
    figure.set_size_inches(16, 4)
    assert check(draw.picture(figure, alt=ALT), written=False).shape[1] == 1040


def test_the_colours_are_told_apart_by_all():
    """Lightness apart too: what differs in it differs for every eye, and in print."""

    def lightness(colour):
        parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return 116 * np.cbrt(linear @ (0.2126, 0.7152, 0.0722)) - 16

    assert abs(lightness(BLUE) - lightness(VERMILLION)) > 8
    for column in zip(*STYLES, strict=True):
        assert len(set(column)) == len(STYLES)


def test_a_number_that_no_chapter_has() -> None:
    with pytest.raises(ValueError, match=r"alt is '99\.1', and no chapter has words of that number"):
        draw.picture(plot_history(HISTORY), alt="99.1")
