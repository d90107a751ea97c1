"""The model's door: images and labels that do not fit are refused, and the message says how to mend them."""

import numpy as np
import pytest

from minivit import ViT, ViTConfig

MODEL = ViT(ViTConfig(image_size=(4, 6), patch_size=2, channels=1, classes=3, width=4, depth=1, heads=2))
COLOUR = ViT(ViTConfig(image_size=(4, 6), patch_size=2, channels=3, classes=3, width=4, depth=1, heads=2))
IMAGES = np.zeros((2, 4, 6, 1), np.float32)
NAN = np.where(np.arange(2).reshape(2, 1, 1, 1) == 1, np.float32(np.nan), IMAGES)


@pytest.mark.parametrize(
    ("model", "images", "error", "message"),
    [
        (COLOUR, np.zeros((2, 3, 4, 6)), ValueError, r"channels come last here, use images.transpose\(0, 2, 3, 1\)"),
        (MODEL, np.zeros((2, 6, 4, 1)), ValueError, r"shape \(2, 6, 4, 1\), expected \(B, 4, 6, 1\)"),
        (MODEL, np.zeros((4, 6, 1)), ValueError, r"for one image use images\[None\]"),
        (MODEL, np.zeros((2, 4, 6)), ValueError, r"for grey images use images\[..., None\]"),
        (COLOUR, np.zeros((2, 4, 6)), ValueError, r"shape \(2, 4, 6\), expected \(B, 4, 6, 3\)$"),
        (MODEL, IMAGES[:0], ValueError, "the batch is empty"),
        (MODEL, NAN, ValueError, "NaN or infinity, first in image 1 of 2"),
        (MODEL, IMAGES + np.float32(np.inf), ValueError, "NaN or infinity, first in image 0 of 2"),
        (MODEL, IMAGES.astype(np.uint8), TypeError, r"images are uint8, expected floats: use model.predict\(images\)"),
        (MODEL, [[0.0]], TypeError, "images are a list, expected an array"),
    ],
)
def test_images_that_do_not_fit(model, images, error, message):
    for method in (model, model.features, model.attention, lambda x: model.loss_and_grads(x, np.zeros(2, int))):
        with pytest.raises(error, match=message):
            method(images)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        (np.array([0, 3]), ValueError, r"labels go from 0 to 3, expected 0 … 2"),
        (np.array([-1, 0]), ValueError, r"labels go from -1 to 0, expected 0 … 2"),
        (np.array([0.0, 1.0]), TypeError, r"labels are float64, expected integers in 0 … 2, or probabilities \(B, 3\)"),
        (np.array([0, 1, 2]), ValueError, r"labels have shape \(3,\), expected \(2,\) or \(2, 3\)"),
        (np.array([[0.5, 0.5, 0.5], [1, 0, 0]]), ValueError, "non-negative and each row sum to 1"),
        (np.array([[1.5, -0.5, 0.0], [1, 0, 0]]), ValueError, "non-negative and each row sum to 1"),
        (np.full((2, 3), np.nan), ValueError, "non-negative and each row sum to 1"),
        ([0, 1], TypeError, "labels are a list, expected an array"),
    ],
)
def test_labels_that_do_not_fit(labels, error, message):
    with pytest.raises(error, match=message):
        MODEL.loss_and_grads(IMAGES, labels)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (IMAGES + 2, ValueError, r"images go from 2.0 to 2.0, expected floats in \[0, 1\] or uint8"),
        (IMAGES - 1, ValueError, r"images go from -1.0 to -1.0, expected floats in \[0, 1\] or uint8"),
        (NAN, ValueError, r"images hold NaN or infinity, first in image 1 of 2"),
        (IMAGES.astype(np.int64), TypeError, r"images are int64, expected uint8 in 0 … 255 or floats in \[0, 1\]"),
        (IMAGES[0].astype(np.uint8), ValueError, r"for one image use images\[None\]"),
        (IMAGES[:0], ValueError, "the batch is empty"),
    ],
)
def test_raw_images_that_do_not_fit(images, error, message):
    with pytest.raises(error, match=message):
        MODEL.predict(images)


def test_images_of_another_float_dtype_are_taken_and_left_alone():
    images = IMAGES.astype(np.float64)
    images.flags.writeable = False
    assert MODEL(images).dtype == np.float32
    assert MODEL.predict(images).dtype == np.float32
    np.testing.assert_array_equal(MODEL(images), MODEL(IMAGES))


def test_labels_may_be_any_integers_or_probabilities():
    expected, _ = MODEL.loss_and_grads(IMAGES, np.array([0, 2]))
    for labels in (np.array([0, 2], np.uint8), np.eye(3)[[0, 2]], np.eye(3, dtype=np.float32)[[0, 2]]):
        assert MODEL.loss_and_grads(IMAGES, labels)[0] == pytest.approx(expected)
