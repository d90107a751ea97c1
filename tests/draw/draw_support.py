"""What every drawing has to be: small, opaque, told in words, and with no letter over another or off the page."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image

from minivit.draw import Picture

ALT = "What it shows, in words."


@lru_cache(1)  # a test asks several times, of one drawing
def texts(picture):
    """What is written in a drawing, and where: [(text, its box in pixels)]."""
    renderer = FigureCanvasAgg(picture.figure).get_renderer()
    picture.figure.draw_without_rendering()  # all is laid out, and nothing painted
    hidden = ticks_beyond(picture.figure)
    found = [t for t in picture.figure.findobj(Text) if t.get_text().strip() and t.get_visible() and t not in hidden]
    assert all(t.get_fontsize() >= 9 for t in found), [t.get_text() for t in found if t.get_fontsize() < 9]
    return [(t.get_text(), t.get_window_extent(renderer)) for t in found]


def ticks_beyond(figure):
    """The words of ticks outside of what the axes show, which Matplotlib keeps but does not draw."""
    hidden = []
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                hidden += [tick.label1, tick.label2]
    return hidden


def words(picture):
    return [text for text, _ in texts(picture)]


def check(picture, *, written=True):
    """Fail unless it is a good drawing, and return its pixels (height, width, 3)."""
    assert isinstance(picture, Picture)
    assert picture.alt == ALT
    image = Image.open(BytesIO(picture.png))
    assert image.format == "PNG"
    assert len(picture.png) <= 60_000
    assert image.width <= 1100
    assert picture.width <= 800
    assert 1.2 < image.width / picture.width < 1.4  # sharper than shown
    assert len(image.getcolors()) <= 128
    pixels = np.asarray(image.convert("RGBA"))
    assert (pixels[..., 3] == 255).all()
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])[:, :3]
    assert (edge == 255).all()  # white, and nothing cut off
    if written:
        check_texts(picture)
    return pixels[..., :3]


def check_texts(picture):
    width, height = picture.figure.get_size_inches() * picture.figure.dpi
    found = texts(picture)
    for k, (text, box) in enumerate(found):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height, f"{text!r} leaves the page"
        for other, there in found[:k]:
            wide = min(box.x1, there.x1) - max(box.x0, there.x0)
            tall = min(box.y1, there.y1) - max(box.y0, there.y0)
            assert wide <= 1 or tall <= 3, f"{text!r} is written over {other!r}"  # a box has room for descenders


def has_colour(pixels, colour):
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(pixels.astype(int) - wanted).max(axis=-1) < 8).any())
