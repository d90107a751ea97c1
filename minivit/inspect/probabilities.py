"""What a model says, as bars."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from .canvas import BLUE, WIDTH, wrapped


def draw_probabilities(axes: Axes, probabilities: np.ndarray, names: Sequence[str]) -> None:
    """The five likeliest classes as bars, each with its name above it."""
    order = np.argsort(-probabilities, kind="stable")[:5]
    place = np.arange(len(order))
    axes.barh(place, probabilities[order], height=0.35, color=BLUE)
    told = wrapped([f"{names[k]}  {probabilities[k]:.1%}" for k in order], WIDTH / 4, 9)
    for i, text in enumerate(told):
        axes.text(0, i - 0.25, text, fontsize=9, va="bottom", linespacing=1)
    axes.set(xlim=(0, 1), ylim=(len(order) - 0.5, -0.7 - 0.3 * told[0].count("\n")), xticks=[0, 0.5, 1], yticks=[])
    axes.set_xticklabels(["0", "50%", "100%"], fontsize=8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("What it says", fontsize=10)
