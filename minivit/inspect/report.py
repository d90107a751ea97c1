"""All pictures of a training run, in one folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..model import Classifier, ViT
from .canvas import save_figure
from .embedding import has_patch_filters
from .pixels import plot_pixel_relevance
from .plots import (
    plot_attention,
    plot_history,
    plot_patch_filters,
    plot_position_similarity,
    plot_predictions,
)


def write_report(
    folder: str | os.PathLike,
    model: Classifier,
    history: Sequence[dict[str, float]],
    test_images: np.ndarray,
    test_labels: np.ndarray,
    probabilities: np.ndarray,
) -> list[Path]:
    """Write curves and predictions, patch_filters of a model that begins with some; of a ViT attention and, where it
    has a table of positions, position_similarity; of others pixel_relevance; all .png. Returns their paths.

    probabilities (n, K) are the model's for the n raw test images. The attention, or the relevance, is that on the
    first image of each class, up to ten.
    """
    _, firsts = np.unique(test_labels, return_index=True)
    firsts, names = firsts[:10], model.class_names
    figures = {
        "curves": plot_history(history),
        "predictions": plot_predictions(test_images, test_labels, probabilities, names),
    }
    if has_patch_filters(model):
        figures["patch_filters"] = plot_patch_filters(model)
    if not isinstance(model, ViT):
        figures["pixel_relevance"] = plot_pixel_relevance(model, test_images[firsts], names)
    else:
        figures["attention"] = plot_attention(model, test_images[firsts], test_labels[firsts], names)
        if model.config.position not in ("none", "relative"):
            figures["position_similarity"] = plot_position_similarity(model)
    paths = {name: Path(folder) / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_figure(figure, paths[name])
    return list(paths.values())
