"""The model's door: images and labels are checked once, here, and no operation behind it needs to."""

import numpy as np

from .checks import Configuration


def check_images(images: np.ndarray, config: Configuration, dtype: np.dtype) -> np.ndarray:
    """Images (B, height, width, C), floats, as the model computes with them: in its dtype.

    Raises TypeError for integers (they were not normalised), ValueError for another shape, an empty batch or NaN.
    """
    images = _as_array(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            f"images are {images.dtype}, expected floats: use model.predict(images) for raw pixels, "
            "or model(model.normalize(images))"
        )
    check_shape(images, config)
    images = images.astype(dtype, copy=False)
    if isinstance(images, np.ndarray) and not np.isfinite(images).all():  # a look at a GPU's numbers would halt it
        raise ValueError(f"images hold NaN or infinity, first in image {_first_bad(images)} of {len(images)}")
    return images


def check_labels(labels: np.ndarray | None, batch: int, config: Configuration) -> np.ndarray | None:
    """Labels (B,) integers in 0 … K−1, or (B, K) probabilities that sum to 1; None where there is no head. Raises
    TypeError or ValueError else."""
    if labels is None and config.classes == 0:
        return None
    labels, K = _as_array(labels, "labels"), config.classes
    if K == 0:
        raise ValueError("the model has no head (classes is 0), so labels have no loss: use model.features(images)")
    if labels.shape == (batch,):
        if not np.issubdtype(labels.dtype, np.integer):
            raise TypeError(f"labels are {labels.dtype}, expected integers in 0 … {K - 1}, or probabilities (B, {K})")
        if isinstance(labels, np.ndarray) and batch and not (labels.min() >= 0 and labels.max() < K):
            raise ValueError(f"labels go from {labels.min()} to {labels.max()}, expected 0 … {K - 1}")
    elif labels.shape == (batch, K):
        sums = labels.sum(axis=1)
        if isinstance(labels, np.ndarray) and not ((labels >= 0).all() and np.allclose(sums, 1, atol=1e-3)):
            raise ValueError("labels given as probabilities must be non-negative and each row sum to 1")
    else:
        raise ValueError(f"labels have shape {labels.shape}, expected ({batch},) or ({batch}, {K})")
    return labels


def normalize(images: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    """(pixel − mean) / std, in the dtype of mean and std, () or (C,). Pixels: uint8 in 0 … 255 or floats in [0, 1]."""
    pixels = as_pixels(images, mean.dtype) - mean
    pixels /= std
    return pixels


def as_pixels(images: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Raw images, uint8 in 0 … 255 or floats in [0, 1] -> floats in [0, 1]. Others: TypeError or ValueError."""
    check_pixels(images)
    return images.astype(dtype) / 255 if images.dtype == np.uint8 else images.astype(dtype, copy=False)


def check_pixels(images: np.ndarray) -> None:
    """Raise TypeError or ValueError unless the images are uint8, or floats in [0, 1]."""
    images = _as_array(images)
    if images.dtype == np.uint8:
        return
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(f"images are {images.dtype}, expected uint8 in 0 … 255 or floats in [0, 1]")
    if isinstance(images, np.ndarray) and images.size and not (images.min() >= 0 and images.max() <= 1):  # or NaN
        if images.ndim == 4 and not np.isfinite(images).all():
            raise ValueError(f"images hold NaN or infinity, first in image {_first_bad(images)} of {len(images)}")
        raise ValueError(f"images go from {images.min()} to {images.max()}, expected floats in [0, 1] or uint8")


def check_shape(images: np.ndarray, config: Configuration) -> None:
    """Raise ValueError unless the images are (B, *config.image_shape), and at least one."""
    expected = config.image_shape
    if images.ndim == 4 and images.shape[1:] == expected:
        if len(images) == 0:
            raise ValueError("the batch is empty: expected at least one image")
        return
    height, width, C = expected
    hint = ""
    if images.shape[1:] == (C, height, width):
        hint = ": channels come last here, use images.transpose(0, 2, 3, 1)"
    elif images.shape == expected:
        hint = ": for one image use images[None]"
    elif C == 1 and images.shape[1:] == (height, width):
        hint = ": for grey images use images[..., None]"
    raise ValueError(f"images have shape {images.shape}, expected (B, {height}, {width}, {C}){hint}")


def _as_array(value: np.ndarray, name: str = "images") -> np.ndarray:
    if not hasattr(value, "dtype"):
        raise TypeError(f"{name} are a {type(value).__name__}, expected an array")
    return value


def _first_bad(images: np.ndarray) -> int:
    finite = np.isfinite(images).all(axis=(1, 2, 3))
    return int(finite.argmin())
