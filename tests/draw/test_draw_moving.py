"""What moves: every frame is in the file, the still is what does not move, and bad input is named."""

from io import BytesIO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from minivit import draw


def frame(x: float, width: float = 3.0) -> Figure:
    figure = Figure((width, 2.0))
    figure.subplots().set(xlim=(0, 1), ylim=(0, 1))
    figure.axes[0].plot([x], [0.5], "o", markersize=20)
    return figure


def shown(png: bytes) -> tuple[list[np.ndarray], list[float]]:
    """The images of a PNG, the still first, and how long each is seen."""
    with Image.open(BytesIO(png)) as image:
        pixels, seconds = [], []
        for i in range(image.n_frames):
            image.seek(i)
            pixels.append(np.asarray(image.convert("RGB"), int))
            seconds.append(image.info.get("duration", 0) / 1000)
    return pixels, seconds


def test_an_animation_holds_the_still_and_every_frame() -> None:
    made = draw.animation([frame(x) for x in (0.2, 0.5, 0.8)], alt="A ball rolls.", seconds=0.1, still=1)
    (still, *frames), (_, *seconds) = shown(made.png)
    assert len(frames) == 3 and seconds == pytest.approx([0.1, 0.1, 0.5])
    assert (still == frames[1]).all() and not (frames[0] == frames[1]).all() and not (frames[1] == frames[2]).all()
    blue = [np.nonzero(image[..., 2] - image[..., 0] > 80)[1].mean() for image in frames]
    assert blue[0] + 50 < blue[1] < blue[2] - 50  # the ball, from left to right
    assert (still[0, 0] == 255).all()  # the paper is white
    data, told = made._repr_mimebundle_()
    assert 'alt="A ball rolls."' in data["text/html"] and told["image/png"]["alt"] == "A ball rolls."
    assert data["image/png"] in data["text/html"]


def test_pictures_are_frames_too() -> None:
    pictures = [draw.matrix(np.full((2, 2), value), alt="a frame", limits=(0, 1)) for value in (0.0, 1.0)]
    (still, first, last), _ = shown(draw.animation(pictures, alt="It fills.").png)
    assert (still == last).all() and not (first == last).all()


@pytest.mark.parametrize(
    ("frames", "seconds", "said"),
    [
        ([frame(0.5)], 0.1, "1 of them, expected two or more"),
        ([frame(0.5), "a frame"], 0.1, "expected two or more figures"),
        ([frame(0.5), frame(0.5, width=4.0)], 0.1, r"followed by one of \(.*4.0.*\), expected one size"),
        ([frame(0.2), frame(0.5)], 0.0, "seconds is 0.0"),
    ],
)
def test_what_cannot_move_is_refused(frames: list, seconds: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        draw.animation(frames, alt="A ball rolls.", seconds=seconds)
