"""What moves: drawings of one size as an animated PNG, which browsers, notebooks and GitHub play like any picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from itertools import pairwise

from matplotlib.figure import Figure
from PIL import Image

from .page import SHADES, SHOWN, Picture

SAMPLED = 6  # frames that the colours of all are chosen from
NEARLY_WHITE = 247  # from here on a colour is the paper's
REST = 5  # times as long as another, the last frame stays


@dataclass(frozen=True, eq=False)
class Animation(Picture):
    """`figure` is the still: what is printed, saved, and seen where nothing moves. The frames follow each other."""

    frames: tuple[Figure, ...]
    seconds: float

    @cached_property
    def png(self) -> bytes:
        """An animated PNG of few colours, which begins anew after its last frame. The still is its first image, which
        is no frame of it: a browser passes it over, a printer takes it."""
        still, *frames = (_image(figure) for figure in (self.figure, *self.frames))
        shades = _shades([still, *frames[:: max(1, len(frames) // SAMPLED)], frames[-1]])
        still, *frames = (image.quantize(palette=shades, dither=Image.Dither.NONE) for image in (still, *frames))
        each = round(1000 * self.seconds)
        with BytesIO() as file:
            still.save(
                file, format="png", save_all=True, append_images=frames, default_image=True, optimize=True, loop=0,
                duration=[each] * (len(frames) - 1) + [REST * each],
            )  # fmt: skip
            return file.getvalue()


def animation(frames: Sequence[Figure | Picture], *, alt: str, seconds: float = 0.2, still: int = -1) -> Animation:
    """Drawings of one size, one after the other, each for so many seconds. alt: what they show, and what is to be
    watched. still: which of them stands for all in print.

    Raises ValueError where there are fewer than two, or their sizes differ.
    """
    figures = [frame.figure if isinstance(frame, Picture) else frame for frame in frames]
    if len(figures) < 2 or not all(isinstance(figure, Figure) for figure in figures):
        raise ValueError(f"frames are {len(figures)} of them, expected two or more figures or pictures")
    for first, second in pairwise(tuple(figure.get_size_inches()) for figure in figures):
        if first != second:
            raise ValueError(f"a frame of {first} inches is followed by one of {second}, expected one size for all")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds!r}, expected more than 0 for each frame")
    return Animation(figures[still], alt, tuple(figures), seconds)


def _image(figure: Figure) -> Image.Image:
    with BytesIO() as file:
        figure.savefig(file, format="png", dpi=SHOWN, facecolor="white")
        with Image.open(file) as image:
            return image.convert("RGB")


def _shades(images: Sequence[Image.Image]) -> Image.Image:
    """The colours of all: those of the images, one below the other."""
    width, height = images[0].size
    column = Image.new("RGB", (width, height * len(images)))
    for i, image in enumerate(images):
        column.paste(image, (0, i * height))
    shades = column.quantize(SHADES, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    colours = shades.getpalette()
    for i in range(0, len(colours), 3):
        if min(colours[i : i + 3]) >= NEARLY_WHITE:
            colours[i : i + 3] = [255, 255, 255]
    shades.putpalette(colours)
    return shades
