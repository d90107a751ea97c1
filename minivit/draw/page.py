"""A finished drawing, `Picture`, which a notebook shows by itself, and the sheet of paper that drawings are made on."""

import base64
import html
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextPath
from PIL import Image

from ..inspect.canvas import WIDTH, save_figure

SHOWN = 100  # pixels of the page in a notebook to an inch: 800 for the widest drawing
SHARP = 130  # pixels of the file to an inch
SHADES = 128  # colours of the file: a drawing is then a few kilobytes, and a notebook holds many
SMALL, NORMAL, LARGE = 9, 10, 11  # points; nothing is written smaller
MARGIN = 0.12  # inches around a drawing
INNER = WIDTH - 2 * MARGIN
INK, FAINT, LINE, EMPTY = "#222222", "#5A5A5A", "#8A8A8A", "#E6E6E6"
PALE_BLUE, PALE_VERMILLION = "#CFE3F1", "#F8D9C4"


NUMBER = re.compile(r"(\d\d[a-z]?)\.\d+")


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, and in words what it shows. As the last expression of a notebook's cell it shows itself.

    alt: the words, or in the tutorials their number, "07.2", by which they are found in the folder alts.
    """

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        if not isinstance(self.alt, str) or not self.alt.strip():
            raise ValueError(f"alt is {self.alt!r}, expected a sentence for those who cannot see the picture")
        if NUMBER.fullmatch(self.alt):
            object.__setattr__(self, "alt", _words(self.alt))

    @property
    def width(self) -> int:
        """Pixels across, as a notebook shows it; the file has a few more, for sharp screens."""
        return round(SHOWN * min(self.figure.get_figwidth(), WIDTH))

    @cached_property
    def png(self) -> bytes:
        """The picture as a PNG file of few colours, on opaque white."""
        with BytesIO() as full, BytesIO() as small:
            dpi = SHARP * min(1, WIDTH / self.figure.get_figwidth())
            self.figure.savefig(full, format="png", dpi=dpi, facecolor="white")
            with Image.open(full) as image:
                flat = image.convert("RGB").quantize(
                    SHADES, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
                )
            flat.save(small, format="png", optimize=True)
            return small.getvalue()

    def save(self, path: str | os.PathLike) -> None:
        """Write it in the format that the name's ending says: .png, .svg, .pdf."""
        save_figure(self.figure, path)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """What IPython asks for: the data in each format, and what is to be known about them."""
        png = base64.b64encode(self.png).decode()
        # JupyterLab and nbconvert show the HTML, whose alt a screen reader reads; who does not know it has the PNG.
        data = {"image/png": png, "text/html": as_html(png, self.width, self.alt), "text/plain": self.alt}
        return data, {"image/png": {"alt": self.alt, "width": self.width}}


def as_html(png: str, width: int, alt: str) -> str:
    """An image for a page, from a PNG in base64. Round corners: on a dark page the white is then seen to be a sheet."""
    how = f'width="{width}" style="border-radius: 6px" alt="{html.escape(alt)}"'
    return f'<img src="data:image/png;base64,{png}" {how}>'


def _words(number: str) -> str:
    """What course/build.py has put into alts/NN_name.json under this number."""
    for path in (Path(__file__).parent / "alts").glob(f"{number.partition('.')[0]}_*.json"):
        words = json.loads(path.read_text(encoding="utf-8"))
        if number in words:
            return words[number]
    raise ValueError(f"alt is {number!r}, and no chapter has words of that number: say what the picture shows")


def picture(figure: Figure, *, alt: str) -> Picture:
    """Any Matplotlib figure, such as those of minivit.inspect, as a Picture. alt: in words what it shows."""
    if not isinstance(figure, Figure):
        raise TypeError(f"figure is a {type(figure).__name__}, expected a Matplotlib Figure")
    return Picture(figure, alt)


def sheet(width: float, height: float) -> tuple[Figure, Axes]:
    """White paper with a margin around `width` x `height` inches; the axes count inches, from the top left corner."""
    figure = Figure((width + 2 * MARGIN, height + 2 * MARGIN), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-MARGIN, width + MARGIN), ylim=(height + MARGIN, -MARGIN))
    axes.axis("off")
    return figure, axes


@lru_cache(4096)
def text_width(text: str, size: float = SMALL, family: str | None = None) -> float:
    """Inches that the longest line of a text takes: up to its last point, for letters have points where they are
    widest, and to look for that on all their curves takes a hundred times as long."""
    font = FontProperties(family=family)
    return max(TextPath((0, 0), line, size, prop=font).vertices[:, 0].max() / 72 if line.strip() else 0.0
               for line in text.split("\n"))  # fmt: skip


def text_height(text: str, size: float = SMALL) -> float:
    """Inches that the lines of a text take; none takes nothing."""
    return (text.count("\n") + 1) * 1.35 * size / 72 if text else 0.0


def write(axes: Axes, x: float, y: float, text: str, size: float = SMALL, **how: object) -> None:
    """A text on a sheet, its middle at (x, y) unless told otherwise."""
    axes.text(x, y, text, **{"fontsize": size, "ha": "center", "va": "center", "color": INK, "linespacing": 1.2} | how)


def cell(axes: Axes, x: float, y: float, width: float, height: float, colour: str, edge: str = "white") -> None:
    axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor=edge, linewidth=0.8))


def show(axes: Axes, image: np.ndarray, x: float, y: float, width: float, height: float, **how: object) -> None:
    """An array of pixels on a sheet, squares left squares."""
    xlim, ylim = axes.get_xlim(), axes.get_ylim()
    axes.imshow(image, extent=(x, x + width, y + height, y), aspect="auto", interpolation="nearest", **how)
    axes.set(xlim=xlim, ylim=ylim)


def outline(axes: Axes, x: float, y: float, width: float, height: float, colour: str = LINE, wide: float = 0.8) -> None:
    axes.add_patch(Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=wide, zorder=2.5))


def whole(name: str, value: object, least: int = 1) -> int:
    """A whole number, or an error that names it."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}, expected a whole number, {least} or more")
    return int(value)
