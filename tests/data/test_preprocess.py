"""Pictures become the pixels that torchvision's and timm's evaluation gives, from any file; and classes have names."""

import io

import numpy as np
import pytest
from PIL import Image

from minivit.data import class_names, imagenet_classes, preprocess, top_classes
from minivit.data.preprocess import centre_crop, resized_size
from minivit.model import ViTConfig


def config(size=224, **choices):
    return ViTConfig(image_size=size, **{"patch_size": 8, **choices})


def photograph(height, width, seed=0):
    """Something smooth and coloured, so that resizing matters."""
    small = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


# What torchvision 0.28's Resize and timm 1.0's transforms_imagenet_eval make of (height, width), read from them.
@pytest.mark.parametrize(
    ("size", "image_size", "crop", "expected"),
    [
        ((300, 500), (224, 224), 0.875, (256, 426)),
        ((500, 300), (224, 224), 0.875, (426, 256)),
        ((97, 97), (224, 224), 0.9, (248, 248)),
        ((640, 481), (384, 384), 1.0, (510, 384)),
        ((20, 699), (224, 224), 0.9, (248, 8667)),
        ((300, 500), (224, 160), 0.9, (248, 413)),
        ((300, 500), (96, 384), 0.9, (256, 426)),
    ],
)
def test_the_sizes_are_torchvisions_and_timms(size, image_size, crop, expected):
    assert resized_size(size, image_size, crop) == expected


@pytest.mark.parametrize(("height", "width"), [(300, 451), (451, 300), (100, 100)])
@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_pixels_are_pillows_resized_and_the_middle_cut_out(name, height, width):
    picture = photograph(height, width)
    pixels = preprocess(picture, config(crop=0.875, resize_filter=name))
    assert pixels.shape == (224, 224, 3) and pixels.dtype == np.uint8
    size = {300: (384, 256), 451: (256, 384), 100: (256, 256)}[height]  # (width, height)
    resized = np.asarray(picture.resize(size, getattr(Image.Resampling, name.upper())))
    top, left = (size[1] - 224) // 2, (size[0] - 224) // 2
    assert np.array_equal(pixels, resized[top : top + 224, left : left + 224])


def test_an_odd_rest_is_split_as_torchvision_splits_it():
    for side, first in ((5, 0), (7, 2), (9, 2), (11, 4)):  # round(0.5) is 0, round(1.5) is 2
        assert centre_crop(np.arange(side)[:, None], (4, 1))[0, 0] == first


def test_rectangular_models_and_squeezed_pictures():
    picture = photograph(300, 451)
    assert preprocess(picture, config((96, 384))).shape == (96, 384, 3)
    squeezed = preprocess(picture, config(resize_filter="bilinear", squeeze=True, crop=1.0))
    assert np.array_equal(squeezed, np.asarray(picture.resize((224, 224), Image.Resampling.BILINEAR)))
    cut = preprocess(picture, config(squeeze=True, crop=0.875))
    whole = np.asarray(picture.resize((256, 256), Image.Resampling.BICUBIC))
    assert np.array_equal(cut, whole[16:240, 16:240])


def test_paths_arrays_and_pillow_images_give_the_same(tmp_path):
    picture = photograph(60, 80)
    picture.save(tmp_path / "photo.png")
    expected = preprocess(picture, config(32))
    array = np.asarray(picture)
    for image in (tmp_path / "photo.png", str(tmp_path / "photo.png"), array, array / 255, (array / 255).astype("f4")):
        assert np.array_equal(preprocess(image, config(32)), expected)


def test_channels_are_what_the_model_sees():
    picture = photograph(60, 80)
    grey = preprocess(picture, config(32, channels=1))
    assert grey.shape == (32, 32, 1)
    assert np.array_equal(grey, preprocess(picture.convert("L"), config(32, channels=1)))
    assert np.array_equal(grey, preprocess(np.asarray(picture.convert("L"))[..., None], config(32, channels=1)))
    from_grey = preprocess(picture.convert("L"), config(32))
    assert from_grey.shape == (32, 32, 3) and (from_grey == grey).all()
    for mode in ("P", "CMYK", "1", "LA", "I;16"):
        source = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
        assert preprocess(source, config(32)).shape == (32, 32, 3)
    with pytest.raises(ValueError, match="4 channels, expected 1"):
        preprocess(picture, config(32, channels=4, image_mean=0.5))


def test_what_is_transparent_lies_on_white_and_a_turned_photograph_is_upright():
    clear = np.zeros((40, 40, 4), np.uint8)
    clear[:20, :, 3] = 255  # the upper half is black
    pixels = preprocess(clear, config(32, crop=1.0))
    assert (pixels[:12] == 0).all() and (pixels[20:] == 255).all()
    upright, file = photograph(60, 80), io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by a quarter
    upright.transpose(Image.Transpose.ROTATE_90).save(file, "png", exif=exif)
    assert np.array_equal(preprocess(Image.open(file), config(32)), preprocess(upright, config(32)))


@pytest.mark.parametrize(
    ("image", "error", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), ValueError, r"\(4, 4, 2\), expected"),
        (np.zeros((0, 4, 3), np.uint8), ValueError, r"\(0, 4, 3\), expected"),
        (np.zeros((1, 4, 4, 3), np.uint8), ValueError, r"\(1, 4, 4, 3\), expected"),
        (np.zeros((4, 4, 3), np.int64), TypeError, "int64, expected uint8"),
        (np.full((4, 4, 3), 2.0), ValueError, r"from 2.0 to 2.0, expected floats in \[0, 1\]"),
        (np.full((4, 4, 3), np.nan), ValueError, "NaN"),
        (7, TypeError, "a int, expected a path, a Pillow image or an array"),
        (np.zeros((2, 1_000_000), np.uint8), ValueError, "too long and thin"),
        ("nothing.png", FileNotFoundError, "nothing.png"),
        (__file__, ValueError, "test_preprocess.py is not a picture"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(image, error, message):
    with pytest.raises(error, match=message):
        preprocess(image, config(32))


def test_a_file_cut_short_and_a_bomb_are_refused(tmp_path):
    photograph(60, 80).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:-400])
    with pytest.raises(ValueError, match=r"half.png is not a picture"):
        preprocess(tmp_path / "half.png", config(32))
    Image.new("1", (15_000, 15_000)).save(tmp_path / "bomb.png")
    with pytest.raises(ValueError, match="225 megapixels, expected at most 200"):
        preprocess(tmp_path / "bomb.png", config(32))


def test_imagenet_has_a_thousand_names_and_other_models_have_numbers():
    names = imagenet_classes()
    assert len(names) == len(set(names)) == 1000 and all(name == name.strip() != "" for name in names)
    known = {0: "tench", 134: "crane bird", 281: "tabby", 517: "crane", 963: "pizza", 999: "toilet tissue"}
    assert {k: names[k] for k in known} == known
    assert class_names(1000) is names and class_names(3) == ("0", "1", "2") and class_names(0) == ()


def test_the_likeliest_classes_come_first():
    assert top_classes(np.array([0.1, 0.6, 0.3]), 2) == [(1, "1", 0.6), (2, "2", 0.3)]
    assert len(top_classes(np.array([0.1, 0.6, 0.3]))) == 3
    probabilities = np.full(1000, 0.0005)
    probabilities[[281, 282]] = 0.3, 0.2
    assert [name for _, name, _ in top_classes(probabilities)[:2]] == ["tabby", "tiger cat"]


def test_sixteen_bits_become_eight_without_a_stretch(tmp_path):
    Image.fromarray(np.full((8, 8), 32896, np.uint16)).save(tmp_path / "grey.png")
    config = ViTConfig(image_size=8, patch_size=4, channels=1, width=8, depth=1, heads=1)
    np.testing.assert_array_equal(preprocess(tmp_path / "grey.png", config), 128)
