"""Boxes in their two forms: centre and size, (cx, cy, w, h), as detectors say them, and corners, (x0, y0, x1, y1)."""

import numpy as np


def corners_forward(boxes: np.ndarray) -> tuple[np.ndarray, None]:
    """(cx, cy, w, h) -> (x0, y0, x1, y1) = (cx − w/2, cy − h/2, cx + w/2, cy + h/2).   (..., 4), the same."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return np.concatenate((centre - half, centre + half), axis=-1), None


def corners_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    """Both corners move with the centre, and apart by half of what the size grows. dy (..., 4) -> dboxes."""
    first, last = dy[..., :2], dy[..., 2:]
    return np.concatenate((first + last, (last - first) / 2), axis=-1)


def centres_forward(corners: np.ndarray) -> tuple[np.ndarray, None]:
    """The way back: (x0, y0, x1, y1) -> ((x0 + x1)/2, (y0 + y1)/2, x1 − x0, y1 − y0).   (..., 4), the same."""
    first, last = corners[..., :2], corners[..., 2:]
    return np.concatenate(((first + last) / 2, last - first), axis=-1), None


def centres_backward(dy: np.ndarray, cache: None) -> np.ndarray:
    """dy (..., 4) -> dcorners."""
    dcentre, dsize = dy[..., :2] / 2, dy[..., 2:]
    return np.concatenate((dcentre - dsize, dcentre + dsize), axis=-1)
