"""A small picture as text, for a terminal: what a model sees, without a window to show it in."""

import numpy as np

RAMP = " .:-=+*#%@"  # ASCII, which every terminal has; from no ink to full ink
WIDEST = 39  # pixels across, two characters each


def as_characters(image: np.ndarray) -> str:
    """Raw pixels (height, width, C), uint8 or floats in [0, 1], as lines of text: two characters a pixel, the
    denser the brighter. What is wider than a terminal is averaged down."""
    grey = np.asarray(image, np.float64).mean(axis=-1) / (255 if image.dtype == np.uint8 else 1)
    by = -(-grey.shape[1] // WIDEST)
    height, width = grey.shape[0] // by, grey.shape[1] // by
    small = grey[: height * by, : width * by].reshape(height, by, width, by).mean(axis=(1, 3))
    steps = np.minimum((small * len(RAMP)).astype(int), len(RAMP) - 1)
    return "\n".join("".join(2 * RAMP[step] for step in row).rstrip() for row in steps)
