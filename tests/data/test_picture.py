"""A digit comes out of its picture as MNIST would show it, however it was drawn, and what is no digit is refused."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from minivit.data import load_canvas, load_mnist
from minivit.data.picture import read_digit
from minivit.data.scene import read_canvas

DIGITS = load_mnist().test_images[:12, :, :, 0].astype(float)  # light on dark, 0 … 255


def read(tmp_path, pixels, size=28):
    path = tmp_path / "digit.png"
    Image.fromarray(np.uint8(np.clip(np.round(pixels), 0, 255))).save(path)
    return read_digit(path, size)


def enlarged(digit, factor=5, padding=((10, 25), (3, 40))):
    return np.pad(np.kron(digit, np.ones((factor, factor))), padding)


def light_from_the_side(pixels):
    return pixels * (1 - 0.4 * np.linspace(0, 1, pixels.shape[1]))


def noise(pixels, sigma=5):
    return np.random.default_rng(0).normal(0, sigma, pixels.shape)


WAYS = {  # to draw a digit (28, 28): the picture, and the mean difference from the original that is allowed
    "as MNIST": (lambda x: x, 0.3),
    "inverted": (lambda x: 255 - x, 0.3),
    "enlarged": (enlarged, 4),
    "enlarged and inverted": (lambda x: 255 - enlarged(x), 4),
    "huge": (lambda x: 255 - enlarged(x, 33), 4),
    "faint": (lambda x: 240 - enlarged(x) / 8, 4),
    "photographed": (lambda x: light_from_the_side(220 - 0.6 * enlarged(x)) + noise(enlarged(x)), 10),
    "noisy chalk": (lambda x: 60 + 0.6 * enlarged(x) + noise(enlarged(x), 20), 8),
    "orange on blue": (lambda x: np.array([20, 40, 90]) + enlarged(x)[..., None] * [0.9, 0.5, 0.0], 4),
    "tinted paper": (lambda x: np.array([250, 235, 190]) - enlarged(x)[..., None] * [0.9, 0.7, 0.3], 4),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_digit_survives_its_picture(tmp_path, way):
    draw, allowed = WAYS[way]
    differences = []
    for digit in DIGITS[:3] if way == "huge" else DIGITS:
        image = read(tmp_path, draw(digit))
        assert image.shape == (1, 28, 28, 1) and image.dtype == np.uint8 and image.max() == 255
        differences.append(np.abs(image[0, :, :, 0] - digit).mean())
    assert np.mean(differences) < allowed  # another digit of the same class is 35 away, as a rule


def test_an_mnist_digit_is_returned_pixel_for_pixel_but_for_its_faintest(tmp_path):
    for digit in DIGITS:
        assert np.abs(read(tmp_path, digit)[0, :, :, 0] - digit).max() <= 16


@pytest.mark.parametrize(("size", "box"), [(28, 20), (14, 10), (56, 40)])
@pytest.mark.parametrize(("ink", "paper"), [("black", "white"), ("white", "black"), ("#aa0033", "#ffeecc")])
@pytest.mark.parametrize("points", [16, 300])
def test_a_drawn_digit_fits_the_box_and_its_mass_is_central(tmp_path, size, box, ink, paper, points):
    canvas = Image.new("RGB", (3 * points, 2 * points), paper)
    ImageDraw.Draw(canvas).text((points, points // 4), "7", fill=ink, font=ImageFont.load_default(points))
    canvas.save(tmp_path / "seven.png")
    image = read_digit(tmp_path / "seven.png", size)[0, :, :, 0].astype(float)
    rows, columns = np.flatnonzero(image.any(axis=1)), np.flatnonzero(image.any(axis=0))
    assert box - 1 <= np.ptp(rows) + 1 <= box and np.ptp(columns) + 1 < box  # a seven is higher than wide
    for axis in (0, 1):
        centre = image.sum(axis=1 - axis) @ np.arange(size) / image.sum()
        assert abs(centre - size / 2) <= 0.6
    assert image[rows[0]].sum() > 2 * image[rows[-1]].sum()  # the bar is above, the foot below


def test_a_bar_keeps_its_aspect_ratio(tmp_path):
    picture = np.full((300, 300), 255.0)
    picture[50:250, 140:160] = 0
    image = read(tmp_path, picture)[0, :, :, 0]
    assert image.any(axis=1).sum() == 20 and image.any(axis=0).sum() == 2
    assert (image[image > 0] == 255).all()


def test_transparent_pictures_lie_on_white(tmp_path):
    alpha = np.uint8(enlarged(DIGITS[2]))
    image = Image.fromarray(np.dstack([np.zeros((*alpha.shape, 3), np.uint8), alpha]))  # black ink on nothing
    image.save(tmp_path / "clear.png")
    assert np.abs(read_digit(tmp_path / "clear.png")[0, :, :, 0] - DIGITS[2]).mean() < 4


def test_the_camera_may_be_turned(tmp_path):
    turned = Image.fromarray(np.uint8(255 - enlarged(DIGITS[2]))).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise to see it upright
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert np.abs(read_digit(tmp_path / "turned.jpg")[0, :, :, 0] - DIGITS[2]).mean() < 6


@pytest.mark.parametrize("mode", ["1", "P", "CMYK", "I;16"])
def test_every_kind_of_pixel_is_read(tmp_path, mode):
    pixels = np.uint8(255 - enlarged(DIGITS[2] > 127) * 255)
    image = (
        Image.fromarray(20_000 + np.uint16(pixels) * 100) if mode == "I;16" else Image.fromarray(pixels).convert(mode)
    )
    assert image.mode == mode
    image.save(tmp_path / "digit.tiff")
    assert np.abs(read_digit(tmp_path / "digit.tiff").astype(float) - read(tmp_path, pixels)).mean() < 1


def test_ink_that_touches_the_border_is_no_paper(tmp_path):
    rows, columns = (np.flatnonzero(DIGITS[2].any(axis=axis)) for axis in (1, 0))
    tight = DIGITS[2][rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.abs(read(tmp_path, 255 - enlarged(tight, padding=0))[0, :, :, 0] - DIGITS[2]).mean() < 4


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((40, 40), 255),
        np.zeros((1, 1)),
        np.full((60, 60), 128) + noise(np.zeros((60, 60)), 8),
        np.full((300, 300), 128) + noise(np.zeros((300, 300)), 30),
        np.linspace(0, 255, 100)[:, None] * np.ones(100),
        250 - enlarged(DIGITS[2]) / 25,
    ],
    ids=["white", "one pixel", "noise", "much noise", "gradient", "what shines through"],
)
def test_paper_without_ink_is_refused(tmp_path, pixels):
    with pytest.raises(ValueError, match=r"digit\.png .*no ink found"):
        read(tmp_path, pixels)


def test_what_is_no_picture_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        read_digit(tmp_path / "nowhere.png")
    (tmp_path / "letter.png").write_text("Dear reader")
    with pytest.raises(ValueError, match=r"letter\.png is not a picture"):
        read_digit(tmp_path / "letter.png")
    read(tmp_path, enlarged(DIGITS[0]))
    whole = (tmp_path / "digit.png").read_bytes()
    (tmp_path / "half.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"half\.png is not a picture"):
        read_digit(tmp_path / "half.png")


@pytest.mark.parametrize("side", [14_200, 20_000])  # both are too large for Pillow, too
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")  # a few kilobytes
    with pytest.raises(ValueError, match=r"bomb\.png .*pixels"):
        read_digit(tmp_path / "bomb.png")


def test_the_data_package_does_not_load_pillow():
    code = "import sys, minivit.data; print('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def saved(path, pixels):
    Image.fromarray(np.uint8(np.clip(np.round(pixels), 0, 255))).save(path)
    return path


def test_a_canvas_is_read_as_it_is(tmp_path):
    canvas = load_canvas("test", 1)[0][0]
    assert np.array_equal(read_canvas(saved(tmp_path / "c.png", canvas[..., 0])), canvas)


def test_several_digits_on_paper_become_a_canvas(tmp_path):
    """Dark on light, five times as large, lit from the side: the same ink at the same places."""
    field = np.zeros((48, 64))
    field[4:32, 2:30], field[16:44, 34:62] = DIGITS[0], DIGITS[1]
    large = 230 - 0.6 * np.kron(field, np.ones((5, 5)))
    read = read_canvas(saved(tmp_path / "c.png", light_from_the_side(large)))
    assert read.shape == (48, 64, 1) and read.dtype == np.uint8 and read.max() == 255
    assert np.abs(read[..., 0] - field).mean() < 6
    assert np.corrcoef(read.ravel(), field.ravel())[0, 1] > 0.97


def test_a_picture_without_ink_is_black(tmp_path):
    assert not read_canvas(saved(tmp_path / "c.png", np.full((90, 120), 200.0))).any()
