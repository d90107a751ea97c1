"""Where any classifier looks, whatever it is made of: the gradient of a class's logit by the image's pixels.

A ViT has attention, rollout and relevance besides (maps.py, page.py). Here is what the others have.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ..model import Classifier
from ..ops import softmax_forward
from .canvas import WIDTH, as_rgb, mosaic, new_figure, over_image, picture_figure, tile_centres, wrapped
from .probabilities import draw_probabilities


def pixel_relevance(model: Classifier, images: np.ndarray, classes: np.ndarray | None = None) -> np.ndarray:
    """How much a logit changes with each pixel (Simonyan et al., arXiv 1312.6034): max_c |∂logit/∂pixel_c|.

    raw images (B, height, width, C) -> (B, height, width). classes (B,): whose logit, if not given the likeliest.
    Raises ValueError where a class is asked about that the model has not, or where it has none.
    """
    K = model.config.classes
    if not K:
        raise ValueError("the model has no head (classes is 0), so there is no class whose pixels could be shown")
    logits, cache = model.forward(model.normalize(images))
    chosen = model.device.to_numpy(logits).argmax(axis=1) if classes is None else np.asarray(classes)
    if chosen.shape != (len(images),) or not ((chosen >= 0) & (chosen < K)).all():
        raise ValueError(f"classes are {chosen}, expected one of 0 … {K - 1} for each of {len(images)} images")
    one_hot = np.eye(K, dtype=model.dtype)[chosen]
    _, dimages = model.backward(model.device.asarray(one_hot), cache)  # images do not mix: each gets its own logit's
    return np.abs(model.device.to_numpy(dimages)).max(axis=-1)


def plot_pixel_relevance(model: Classifier, images: np.ndarray, names: Sequence[str] | None = None) -> Figure:
    """Which pixels the likeliest class hangs on, a column for each raw image (B, …). names: of the classes."""
    chosen = model.predict(images).argmax(axis=1)
    tiles = np.stack([as_rgb(images), over_image(images, pixel_relevance(model, images, chosen))])
    width = min(6.5, 1.4 * len(images))
    said = wrapped([f"said {names[k] if names else k}" for k in chosen], width / len(images))
    figure, axes = picture_figure(mosaic(tiles), width, around=0.9 + 0.17 * max(name.count("\n") for name in said))
    axes.set_xticks(tile_centres(len(images), tiles.shape[3]), said)
    axes.set_yticks(tile_centres(2, tiles.shape[2]), ["image", "pixels"])
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.set_title("Which pixels the answer hangs on")
    return figure


def plot_pixel_page(model: Classifier, image: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """One raw image (1, height, width, C): as the model sees it, the pixels that count, and what it says."""
    figure = new_figure(3.4)
    figure.suptitle(*wrapped([title], WIDTH), fontsize=10)
    classes = model.config.classes
    cells = figure.subplots(1, 3 if classes else 1, squeeze=False)[0]
    panels = {"what the model sees": as_rgb(image)}
    if classes:
        probabilities = softmax_forward(model.device.to_numpy(model(model.normalize(image))))[0][0]
        (what,) = wrapped([f"pixels that “{names[probabilities.argmax()]}” hangs on"], WIDTH / 3.5)
        panels[what] = over_image(image, pixel_relevance(model, image))
        draw_probabilities(cells[2], probabilities, names)
    for axes, (what, picture) in zip(cells, panels.items(), strict=False):
        axes.imshow(picture[0], interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_title(what, fontsize=10)
    return figure
