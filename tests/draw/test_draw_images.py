"""Digits, patches and maps show the pixels that they were given."""

import numpy as np
import pytest
from draw_support import ALT, check, words

from minivit import draw, load_mnist


@pytest.fixture(scope="module")
def images():
    return load_mnist().train_images[:16]


@pytest.mark.parametrize(("count", "columns"), [(1, 8), (5, 8), (16, 8), (16, 3)])
def test_digits(images, count, columns):
    titles = [f"label {i}" for i in range(count)]
    picture = draw.digits(images[:count], titles, columns, alt=ALT)
    check(picture)
    assert words(picture) == titles
    shown = [np.asarray(image.get_array()) for image in picture.figure.axes[0].images]
    np.testing.assert_allclose(shown, 1 - np.repeat(images[:count] / 255, 3, axis=-1))


def test_digits_of_another_size(images):
    small, large = (draw.digits(images[:1], alt=ALT, side=side).figure.get_size_inches()[0] for side in (0.85, 3.5))
    assert large - small == pytest.approx(3.5 - 0.85)


def test_long_titles_take_more_rows(images):
    check(draw.digits(images[:8], ["a title that is longer than the image"] * 8, alt=ALT))


def test_titles_of_two_lines_stand_under_the_image(images):
    picture = draw.digits(images[:10], ["first\nsecond"] * 10, alt=ALT)
    check(picture)
    axes = picture.figure.axes[0]
    for image, above, below in zip(axes.images, axes.texts[::2], axes.texts[1::2], strict=True):
        bottom = image.get_extent()[2]
        assert (above.get_text(), below.get_text()) == ("first", "second")
        assert bottom + 0.1 < above.get_position()[1] < below.get_position()[1] - 0.1


def test_patches_are_apart_in_reading_order(images):
    picture = draw.patches(images[0], 7, alt=ALT)
    check(picture)
    whole, *apart = (np.asarray(image.get_array()) for image in picture.figure.axes[0].images)
    assert len(apart) == 16
    np.testing.assert_array_equal(apart[6], whole[7:14, 14:21])
    assert sorted((word for word in words(picture) if word.isdigit()), key=int) == sorted(
        [*map(str, range(16))] * 2, key=int
    )


def test_patches_in_another_order(images):
    order = np.random.default_rng(0).permutation(49)
    picture = draw.patches(images[0], 4, alt=ALT, order=order)
    check(picture)
    assert words(picture)[-49:] == [str(i) for i in order]
    whole, first, *_ = (np.asarray(image.get_array()) for image in picture.figure.axes[0].images)
    i, j = divmod(int(order[0]), 7)
    np.testing.assert_array_equal(first, whole[4 * i : 4 * i + 4, 4 * j : 4 * j + 4])


@pytest.mark.parametrize(("size", "patch"), [((224, 224), 16), ((14, 28), (7, 4)), ((32, 8), 4), ((8, 8), 8)])
def test_patches_of_other_sizes(size, patch):
    image = np.linspace(0, 1, size[0] * size[1] * 3).reshape(*size, 3)
    check(draw.patches(image, patch, alt=ALT))
    assert len(words(draw.patches(image, patch, alt=ALT, numbers=False))) <= 3


@pytest.mark.parametrize("count", [1, 4, 12])
def test_maps(images, count):
    titles = [f"head {i}" for i in range(count)]
    picture = draw.maps(images[0], np.random.default_rng(0).random((count, 7, 7)), titles, alt=ALT)
    check(picture)
    assert words(picture) == ["image", *titles]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: draw.digits(x[0], alt=ALT), r"\(28, 28, 1\), expected \(n, height, width, 1 or 3\)"),
        (lambda x: draw.digits(x[:0], alt=ALT), "expected one image at least"),
        (lambda x: draw.digits(x.astype(float) / 255 - 0.5, alt=ALT), r"expected floats in \[0, 1\]"),  # normalised
        (lambda x: draw.maps(x[0] / 127.5 - 1, np.ones((1, 7, 7)), ["a"], alt=ALT), r"expected floats in \[0, 1\]"),
        (lambda x: draw.digits(x, ["a"], alt=ALT), "titles are 1, expected 16"),
        (lambda x: draw.digits(x, columns=0, alt=ALT), "columns is 0, expected a whole number"),
        (lambda x: draw.patches(x, 7, alt=ALT), r"the image has shape \(16, 28, 28, 1\), expected"),
        (lambda x: draw.patches(x[0], 5, alt=ALT), "patches of 5 x 5 pixels do not fill an image of 28 x 28"),
        (lambda x: draw.patches(x[0], 7.0, alt=ALT), "patch_size is 7.0, expected a whole number"),
        (lambda x: draw.patches(x[0], (7, 7, 1), alt=ALT), "or a pair"),
        (lambda x: draw.patches(x[0], 14, order=[0, 1, 2, 2], alt=ALT), "each of the patches 0 to 3 once"),
        (lambda x: draw.maps(x[0], np.ones((7, 7)), ["a"], alt=ALT), r"maps have shape \(7, 7\), expected"),
        (lambda x: draw.maps(x[0], np.ones((2, 7, 7)), "ab", alt=ALT), "titles are a text, expected 2"),
    ],
)
def test_errors(images, make, message):
    with pytest.raises(ValueError, match=message):
        make(images)
