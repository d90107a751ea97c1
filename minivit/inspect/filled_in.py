"""What a masked autoencoder fills in: the picture that it saw, what it made of it, and the truth."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .canvas import as_rgb, mosaic, picture_figure, tile_centres

HIDDEN = 0.8  # the grey of a patch that was hidden


def plot_filled_in(
    model: Any, images: np.ndarray, rng: np.random.Generator | None = None, noise: np.ndarray | None = None
) -> Figure:
    """A column for each raw image: with its hidden patches grey, filled in by the model, a family.MAE, and as it is.

    rng or noise decides what is hidden, as in the model's call. What was seen is shown as it was.
    """
    filled, hidden = model.fill_in(images, rng, noise)
    true, filled = as_rgb(images), as_rgb(filled)
    rows = np.where(hidden, HIDDEN, true), np.where(hidden, filled, true), true
    figure, axes = picture_figure(mosaic(np.stack(rows)), width=min(6.5, 0.65 * len(images) + 1), around=0.6)
    axes.set_xticks([])
    axes.set_yticks(tile_centres(3, true.shape[1]), ["what it saw", "filled in", "true"])
    axes.tick_params(length=0)
    axes.set_title(f"{model.config.mask_ratio:.0%} of the patches were hidden")
    return figure
