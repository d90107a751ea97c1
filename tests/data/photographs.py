"""Photographs of handwritten digits that nobody had to take: digits of the test set on paper, in light, through a lens.

`photograph(digit, kind, rng)` draws one of KINDS, as a phone or a scanner would have it: ink, paper, frames, lines, a
shadow, a tilt, noise. The same seed gives the same picture. `as_jpeg` is what is left of it in a file.
"""

import io

import numpy as np
from PIL import Image, ImageDraw

SIDE = 640  # pixels


def photograph(digit: np.ndarray, kind: str, rng: np.random.Generator) -> Image.Image:
    """One digit (28, 28) uint8 -> a grey picture of a sheet with it, of this kind."""
    paper, ink = rng.uniform(170, 245), rng.uniform(15, 70)
    sheet = np.zeros((SIDE, SIDE))  # how much ink is where, in [0, 1]
    height = int(rng.uniform(0.25, 0.6) * SIDE)
    top, left = (int(rng.uniform(0.15, 0.85 - height / SIDE) * SIDE) for _ in range(2))
    drawn = Image.fromarray(digit).resize((height, height), Image.Resampling.BICUBIC)
    sheet[top : top + height, left : left + height] = np.asarray(drawn) / 255
    marks, light = KINDS[kind](rng, (top, left, height))
    sheet = np.maximum(sheet, marks)
    picture = (paper - (paper - ink) * sheet) * light
    turn = rng.uniform(-3, 3) if kind != "tilted" else rng.choice((-1, 1)) * rng.uniform(6, 12)
    picture = turned(picture, turn)
    picture = picture + rng.normal(0, rng.uniform(1, 5), picture.shape)
    return Image.fromarray(np.uint8(np.clip(picture, 0, 255)))


def as_jpeg(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "jpeg", quality=quality)
    return file.getvalue()


def turned(picture: np.ndarray, degrees: float) -> np.ndarray:
    """Turned about its middle and enlarged, so that no corner is empty."""
    image = Image.fromarray(picture.astype(np.float32)).rotate(degrees, Image.Resampling.BILINEAR)
    cut = 1 + int(SIDE / 2 * abs(np.tan(np.radians(degrees))))
    return np.asarray(image.crop((cut, cut, SIDE - cut, SIDE - cut)), float)


def lines_of(draw: callable) -> np.ndarray:
    """What `draw` draws with a pen of Pillow's, as ink in [0, 1]."""
    canvas = Image.new("L", (SIDE, SIDE))
    draw(ImageDraw.Draw(canvas))
    return np.asarray(canvas) / 255


def even(rng, place):
    return 0.0, smooth_light(rng)


def framed(rng, place):
    """A form's cell around the digit, or the dark edge that a scanner leaves."""
    top, left, height = place
    pen = int(rng.integers(2, 7))
    if rng.random() < 0.3:
        return lines_of(lambda draw: draw.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=255, width=4 * pen)), 1.0
    gap = rng.uniform(0.08, 0.25, 4) * height
    box = (left - gap[0], top - gap[1], left + height + gap[2], top + height + gap[3])
    return lines_of(lambda draw: draw.rectangle(box, outline=255, width=pen)), smooth_light(rng)


def lined(rng, place):
    """Ruled or squared paper, printed paler than ink."""
    spacing, start, pen = int(rng.uniform(50, 110)), int(rng.uniform(0, 50)), int(rng.integers(1, 4))
    squared = rng.random() < 0.5

    def draw(on):
        for at in range(start, SIDE, spacing):
            on.line((0, at, SIDE, at), fill=255, width=pen)
            if squared:
                on.line((at, 0, at, SIDE), fill=255, width=pen)

    return rng.uniform(0.15, 0.4) * lines_of(draw), smooth_light(rng)


def shadowed(rng, place):
    """A hand's or a head's shadow across the sheet, sharp or soft, or a dark desk along one side."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    angle, at = rng.uniform(0, 2 * np.pi), rng.uniform(-0.3, 0.3)
    across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5) - at
    light = 1 - rng.uniform(0.25, 0.55) / (1 + np.exp(-across * rng.choice((15, 40, 150))))
    if rng.random() < 0.3:  # a desk, along a side that the sheet does not reach
        _, left, height = place
        edge = int(min(left, SIDE - left - height) * 0.7)
        part = np.s_[:, :edge] if left > SIDE - left - height else np.s_[:, SIDE - edge :]
        light = np.ones((SIDE, SIDE))
        light[part] = rng.uniform(0.2, 0.5)
    return 0.0, light


def smooth_light(rng):
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    a, b, c = rng.uniform(-0.15, 0.15, 3)
    return 0.85 + a * x + b * y - abs(c) * (x * x + y * y) / 2


KINDS = {"plain": even, "framed": framed, "lined": lined, "shadowed": shadowed, "tilted": even}
