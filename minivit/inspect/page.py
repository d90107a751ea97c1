"""One page on one picture: what the model says, which patches made it say so, and how it looks at things."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from ..model import Classifier, ViT, ViTConfig
from ..ops import softmax_forward
from .attention import even_distance, mean_distance, rollout, seen_by_head, who_looks
from .canvas import WIDTH, as_rgb, enlarged, new_figure, over_image, wrapped
from .embedding import token_colours
from .maps import draw_attention_distance
from .observation import Observation, observe
from .pixels import plot_pixel_page
from .plots import position_mosaic, show_positions
from .probabilities import draw_probabilities
from .relevance import observed_relevance

ACROSS = 6  # heads in a row


def plot_page(
    model: Classifier, image: np.ndarray, classes: Sequence[str] | None = None, title: str | None = None
) -> Figure:
    """All that `look` shows of one raw image (1, height, width, C), from any model.

    classes: the names of the K classes, where they are not their numbers. A model without classes (DINOv2) has no
    relevance and no probabilities on its page, one without a table of positions no similarity of positions; what is no
    ViT has the pixels that its answer hangs on (pixels.py).
    """
    if image.ndim != 4 or len(image) != 1:
        raise ValueError(f"the image has shape {image.shape}, expected (1, height, width, C)")
    config = model.config
    names = classes or list(map(str, range(config.classes)))
    if not isinstance(model, ViT):
        return plot_pixel_page(model, image, names, title or repr(model))
    seen = observe(model, image, gradients=config.classes > 0)
    weights = seen.by_block(config.attention == "axial")
    probabilities = softmax_forward(seen.logits)[0][0] if config.classes else None
    rows = -(-config.heads // ACROSS)
    aspect = config.image_size[0] / config.image_size[1]
    # In inches: as high as the pictures are at this width, and what is written around them.
    heights = [0.5 + 1.85 * aspect, 0.3 + (0.3 + 1.2 * aspect) * rows, 3.0]
    figure = new_figure(sum(heights) + 0.3)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.06)
    figure.suptitle(*wrapped([title or repr(model)], WIDTH), fontsize=10)
    top, middle, bottom = figure.subfigures(3, 1, height_ratios=heights)
    _draw_main_maps(top, config, image, seen, weights, names[probabilities.argmax()] if config.classes else None)
    _draw_heads(middle, image, seen_by_head(weights[-1][0], config), who_looks(config))
    with_positions = config.position not in ("none", "relative")
    cells = bottom.subplots(1, 1 + with_positions + bool(config.classes), squeeze=False)[0].tolist()
    if probabilities is not None:
        draw_probabilities(cells.pop(0), probabilities, names)
    distance = cells.pop(0)
    draw_attention_distance(distance, mean_distance(weights, config), even_distance(config))
    distance.set_title("How far each head looks", fontsize=10)
    if with_positions:
        _draw_positions(cells.pop(0), model)
    return figure


def _draw_main_maps(
    page: SubFigure,
    config: ViTConfig,
    image: np.ndarray,
    seen: Observation,
    weights: Sequence[np.ndarray],
    likeliest: str | None,
) -> None:
    """The picture, and what the model makes of it as a whole. weights (L, 1, H, N, N): its attention."""
    gh, gw = config.grid
    panels = {"what the model sees": as_rgb(image)}
    if likeliest is not None:
        (name,) = wrapped([f"“{likeliest}”"], WIDTH / 4)
        panels[f"speaks for\n{name}"] = over_image(image, observed_relevance(seen, config))
    else:
        last = seen_by_head(weights[-1], config).mean(axis=1)
        panels["attention, last block,\nmean of heads"] = over_image(image, last)
    reaching = seen_by_head(rollout(weights), config)
    panels["attention rollout\nthrough all blocks"] = over_image(image, reaching)
    patches = seen.tokens[:, -gh * gw :].reshape(1, gh, gw, -1)
    panels["patch tokens: main\ncomponents as colours"] = enlarged(token_colours(patches), config.image_size)
    for axes, (title, picture) in zip(page.subplots(1, 4), panels.items(), strict=True):
        _show(axes, picture[0])
        axes.set_title(title, fontsize=10)


def _draw_heads(page: SubFigure, image: np.ndarray, maps: np.ndarray, who: str) -> None:
    """What each head of the last block looks at: maps (H, gh, gw)."""
    H = len(maps)
    tiles = over_image(np.repeat(image, H, axis=0), maps)
    page.suptitle(f"Where {who} in the last block, head by head", fontsize=10)
    cells = page.subplots(-(-H // ACROSS), min(H, ACROSS), squeeze=False).ravel()
    for axes in cells[H:]:
        axes.axis("off")
    for head, (axes, picture) in enumerate(zip(cells, tiles, strict=False), start=1):
        _show(axes, picture)
        axes.set_xlabel(f"head {head}", fontsize=8, labelpad=2)


def _draw_positions(axes: Axes, model: ViT) -> None:
    picture, rows, columns = position_mosaic(model, most=7)
    show_positions(axes, picture)
    axes.set(xticks=[], yticks=[])
    gh, gw = model.config.grid
    all_of_them = (len(rows), len(columns)) == (gh, gw)
    which = "each patch" if all_of_them else f"{len(rows)} × {len(columns)} of {gh} × {gw} patches"
    axes.set_title("How alike positions are", fontsize=10)
    axes.set_xlabel(f"a map for {which}:\nyellow is like it, blue is not", fontsize=8)


def _show(axes: Axes, picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
