"""Twenty photographs that nobody had to take: digits on framed, lined, shadowed, tilted paper are read, or refused."""

import io

import numpy as np
import pytest
from photographs import KINDS, SIDE, as_jpeg, photograph
from PIL import Image

import minivit
from minivit.data import TRAINED_DIGITS, load_mnist, read_digit

DIGITS = load_mnist()
EACH = 4


def answers(pictures):
    """What the shipped model says of each, None where it is refused."""
    model, said = minivit.ViT.load(TRAINED_DIGITS), []
    for picture in pictures:
        try:
            said.append(model.predict(read_digit(picture))[0])
        except ValueError:
            said.append(None)
    return said


def opened(picture, quality=85):
    return Image.open(io.BytesIO(as_jpeg(picture, quality)))


def paper(height=400, width=400, brightness=220.0):
    return np.full((height, width), brightness)


def written(sheet, digit, top, left, side=140, ink=150):
    sheet[top : top + side, left : left + side] -= (
        np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) / 255 * ink
    )
    return sheet


def grey(sheet):
    return Image.fromarray(np.uint8(np.clip(sheet, 0, 255)))


def test_nearly_all_are_read_and_none_is_surely_wrong():
    """Of each kind four: other digits, papers, light and JPEG qualities each."""
    right = 0
    for k, kind in enumerate(KINDS):
        rngs = [np.random.default_rng((2024, k, i)) for i in range(EACH)]
        numbers = [int(rng.integers(len(DIGITS.test_images))) for rng in rngs]
        pictures = [
            opened(photograph(DIGITS.test_images[n, ..., 0], kind, rng), int(rng.integers(60, 95)))
            for n, rng in zip(numbers, rngs, strict=True)
        ]
        for number, said in zip(numbers, answers(pictures), strict=True):
            if said is None:
                continue
            if said.argmax() == DIGITS.test_labels[number]:
                right += 1
            else:
                assert said.max() <= 0.9, (kind, number, said.argmax())
    assert right >= 18


def test_the_same_seed_gives_the_same_picture():
    first, second = (photograph(DIGITS.test_images[0, ..., 0], "lined", np.random.default_rng(3)) for _ in range(2))
    assert first.tobytes() == second.tobytes() and max(first.size) <= SIDE


def test_several_digits_far_apart_are_said():
    sheet = written(
        written(paper(400, 700), DIGITS.test_images[2, ..., 0], 120, 60), DIGITS.test_images[3, ..., 0], 100, 480
    )
    with pytest.raises(ValueError, match="2 digits or marks of that size found, expected one"):
        read_digit(grey(sheet))


def test_uneven_paper_is_said():
    blocks = np.kron(np.random.default_rng(0).integers(60, 220, (13, 13)), np.ones((30, 30)))
    with pytest.raises(ValueError, match=r"the paper is uneven|no ink found"):
        read_digit(grey(blocks))


@pytest.mark.parametrize("ink", [0, 128, 255])
def test_ink_on_nothing_is_read_whatever_its_colour(ink):
    pictures = []
    for digit in DIGITS.test_images[:12]:
        pixels = np.full((28, 28, 4), ink, np.uint8)
        pixels[..., 3] = digit[..., 0]
        pictures.append(Image.fromarray(pixels).resize((140, 140)))
    right = [
        said is not None and said.argmax() == label
        for said, label in zip(answers(pictures), DIGITS.test_labels, strict=False)
    ]
    assert sum(right) >= 11


def test_a_sticker_of_white_paper_with_transparent_corners_is_read():
    sheet = np.uint8(np.clip(written(paper(), DIGITS.test_images[2, ..., 0], 130, 130), 0, 255))
    y, x = np.mgrid[0:400, 0:400] - 199.5
    alpha = np.uint8(255 * (np.hypot(x, y) < 190))
    (said,) = answers([Image.fromarray(np.dstack([sheet] * 3 + [alpha]))])
    assert said is not None and said.argmax() == DIGITS.test_labels[2]


@pytest.mark.parametrize("side", range(4))
def test_a_desk_along_one_side(side):
    sheet = written(paper(), DIGITS.test_images[2, ..., 0], 130, 130)
    sheet = np.rot90(np.where(np.arange(400) < 70, 60, np.rot90(sheet, -side)), side)
    (said,) = answers([grey(sheet + np.random.default_rng(0).normal(0, 3, sheet.shape))])
    assert said is not None and said.argmax() == DIGITS.test_labels[2]


@pytest.mark.parametrize("ink", [150, 45])  # a pen, a pencil
@pytest.mark.parametrize("squared", [False, True])
def test_a_line_through_the_digit_is_taken_out(ink, squared):
    """Against the same digit on plain paper: what is left of the lines is little."""
    digit = DIGITS.test_images[2, ..., 0]
    plain = written(paper(), digit, 130, 130, ink=ink)
    lined = plain.copy()
    for at in range(40, 400, 60):
        lined[at : at + 3] -= 30
        if squared:
            lined[:, at : at + 3] -= 30
    without, with_lines = (read_digit(grey(sheet))[0, ..., 0].astype(float) for sheet in (plain, lined))
    assert np.abs(without - with_lines).mean() < 15  # another digit of its class is 35 away


def test_arrays_and_pillow_s_images_are_read_as_files_are(tmp_path):
    picture = grey(written(paper(), DIGITS.test_images[2, ..., 0], 130, 130))
    picture.save(tmp_path / "digit.png")
    expected = read_digit(tmp_path / "digit.png")
    np.testing.assert_array_equal(read_digit(picture), expected)
    np.testing.assert_array_equal(read_digit(np.asarray(picture)), expected)
    with pytest.raises(ValueError, match="the picture does not show one digit: no ink found"):
        read_digit(paper() / 255)
