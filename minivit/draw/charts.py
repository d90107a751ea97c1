"""Numbers as lines and as bars."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from ..inspect.canvas import BLUE, VERMILLION, new_figure
from .page import FAINT, INK, LARGE, MARGIN, NORMAL, SMALL, Picture, text_width

# Okabe and Ito's palette, the two colours of the house first; markers and dashes differ too, for print in grey
HALO = withStroke(linewidth=3, foreground="white")
STYLES = [
    (BLUE, "o", "-"),
    (VERMILLION, "s", "--"),
    ("#009E73", "^", "-."),
    ("#333333", "D", ":"),
    ("#CC79A7", "v", (0, (5, 1, 1, 1, 1, 1))),
    ("#E69F00", "P", (0, (8, 2))),
    ("#56B4E9", "X", (0, (2, 1))),
]


def lines(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    *,
    alt: str,
    xlabel: str,
    ylabel: str,
    logx: bool = False,
    logy: bool = False,
    title: str | None = None,
    notes: Sequence[tuple[float, float, str]] = (),
    height: float = 3.2,
) -> Picture:
    """Up to 7 curves {label: (x, y)}, x and y of n numbers each. notes: (x, y, text), written beside a point, where no
    curve runs.

    height: in inches.
    """
    if not isinstance(curves, Mapping) or not 1 <= len(curves) <= len(STYLES):
        raise ValueError(f"curves are {_named(curves)}, expected a dict of 1 to {len(STYLES)} curves, label: (x, y)")
    figure = _paper(height)
    axes = figure.subplots()
    for (label, (x, y)), (colour, marker, dashes) in zip(curves.items(), STYLES, strict=False):
        x, y = np.asarray(x, float), np.asarray(y, float)
        if x.ndim != 1 or x.shape != y.shape or not x.size:
            raise ValueError(f"curve {label!r} has x {x.shape} and y {y.shape}, expected as many of both, (n,)")
        if (logx and not (x > 0).all()) or (logy and not (y > 0).all()):
            raise ValueError(f"curve {label!r} has numbers of 0 or less, expected more than 0 on a logarithmic axis")
        every = max(1, len(x) // 12)
        axes.plot(x, y, color=colour, marker=marker, linestyle=dashes, markersize=4.5, markevery=every, label=label)
    if logx:
        axes.set_xscale("log")
    if logy:
        axes.set_yscale("log")
    _finish(axes, title, ylabel)
    axes.set_xlabel(xlabel, fontsize=NORMAL)
    axes.grid(color="0.92")
    figure.draw_without_rendering()  # now it is known where things lie
    for x, y, text in notes:
        axes.annotate(
            text, (x, y), xytext=_free(axes, x, y, text), textcoords="offset points", fontsize=SMALL, color=INK,
            path_effects=[HALO], arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6},
        )  # fmt: skip
    if len(curves) > 1:
        ends = {label: np.asarray(y, float)[-1] for label, (_, y) in curves.items()}
        handles, labels = axes.get_legend_handles_labels()
        order = sorted(range(len(labels)), key=lambda i: -ends[labels[i]])  # as the lines end, from the top
        figure.legend(
            [handles[i] for i in order], [labels[i] for i in order], loc="outside right upper", frameon=False,
            fontsize=NORMAL, handlelength=3,
        )  # fmt: skip
    return Picture(figure, alt)


def bars(
    values: Mapping[str, float],
    *,
    alt: str,
    ylabel: str,
    title: str | None = None,
    errors: Mapping[str, float] | None = None,
    mark: Sequence[str] = (),
    number: str | None = None,
) -> Picture:
    """A bar for each number, {label: value}, with the number on it; they lie down where the labels are long.

    errors: {label: how far each way}. mark: the labels of bars in the other colour. number: how they are
    written, as "{:.1%}"; None for three digits or more.
    """
    if not isinstance(values, Mapping) or not values:
        raise ValueError(f"values are {_named(values)}, expected a dict, label: number")
    errors = {} if errors is None else errors
    for name, labels in (("errors", errors), ("mark", mark)):
        strangers = [label for label in labels if label not in values]
        if strangers or isinstance(labels, str):
            raise ValueError(f"{name} name {strangers or labels!r}, expected some of {list(values)}")
    labels, heights = list(values), np.array([float(value) for value in values.values()])
    if not np.isfinite(heights).all():
        raise ValueError(f"values are {dict(values)}, expected finite numbers")
    wide = np.array([float(errors.get(label, 0)) for label in labels])
    spread = np.where(wide > 0, wide, np.nan)
    colours = [VERMILLION if label in mark else BLUE for label in labels]
    lying = max(text_width(str(label), NORMAL) for label in labels) > 6.5 / len(labels)
    figure = _paper(0.75 + 0.34 * len(labels) if lying else 3.0)
    axes = figure.subplots()
    (axes.barh if lying else axes.bar)(range(len(labels)), heights, 0.62, color=colours)
    how = {"ecolor": INK, "elinewidth": 1.2, "capsize": 3, "fmt": "none"}
    if errors and lying:
        axes.errorbar(heights, range(len(labels)), xerr=spread, **how)
    elif errors:
        axes.errorbar(range(len(labels)), heights, yerr=spread, **how)
    if heights.min() < 0:
        (axes.axvline if lying else axes.axhline)(0, color=INK, linewidth=0.8)
    _number(axes, heights, wide, number, lying)
    _finish(axes, title, None if lying else ylabel)
    if lying:
        axes.invert_yaxis()
        axes.set_yticks(range(len(labels)), labels, fontsize=NORMAL)
        axes.set_xlabel(ylabel, fontsize=NORMAL)
    else:
        axes.set_xticks(range(len(labels)), labels, fontsize=NORMAL)
        middle, half = (len(labels) - 1) / 2, max(len(labels), 4) / 2
        axes.set_xlim(middle - half, middle + half)
    axes.tick_params(axis="y" if lying else "x", length=0)
    return Picture(figure, alt)


def _number(axes: Axes, heights: np.ndarray, wide: np.ndarray, number: str | None, lying: bool) -> None:
    """Each bar's number beyond its end, and room for it."""
    for place, (height, error) in enumerate(zip(heights, wide, strict=True)):
        below = height < 0
        end = height - error if below else height + error
        if lying:
            how = {"xy": (end, place), "xytext": (-4 if below else 4, 0), "ha": "right" if below else "left"}
            how["va"] = "center"
        else:
            how = {"xy": (place, end), "xytext": (0, -3 if below else 3), "va": "top" if below else "bottom"}
            how["ha"] = "center"
        axes.annotate(
            _written(height, number).replace("-", "−"), textcoords="offset points", fontsize=NORMAL, color=INK, **how
        )
    low, high = min(0, (heights - wide).min()), max(0, (heights + wide).max())
    room = 0.12 * ((high - low) or 1)
    limits = (low - room * (low < 0), high + room * (high > 0 or low == 0))
    (axes.set_xlim if lying else axes.set_ylim)(*limits)


def _free(axes: Axes, x: float, y: float, text: str) -> tuple[float, float]:
    """How far from a point a note may begin and cover no curve, in points (1/72 inch)."""
    size = np.array([72 * text_width(text), SMALL])
    scale = 72 / axes.figure.dpi
    runs = []
    for line in axes.lines:
        at = scale * axes.transData.transform(np.column_stack(line.get_data()).astype(float))
        part = np.linspace(0, len(at) - 1, 40 * len(at))
        runs.append(np.column_stack([np.interp(part, np.arange(len(at)), way) for way in at.T]))
    places = [(8, 12), (8, -18), (-8 - size[0], 12), (-8 - size[0], -18)]
    for place in places:
        corner = scale * axes.transData.transform((x, y)) + place
        if not any(((run > corner - 3) & (run < corner + size + 3)).all(axis=1).any() for run in runs):
            return place
    return places[0]


def _paper(height: float) -> Figure:
    figure = new_figure(height)
    figure.get_layout_engine().set(w_pad=MARGIN, h_pad=MARGIN)
    return figure


def _finish(axes: Axes, title: str | None, ylabel: str | None) -> None:
    axes.set_title(title or "", fontsize=LARGE, color=INK)
    if ylabel:
        axes.set_ylabel(ylabel, fontsize=NORMAL)
    axes.tick_params(labelsize=SMALL)
    axes.spines[["top", "right"]].set_visible(False)


def _named(given: object) -> str:
    return f"{len(given)} of them" if isinstance(given, Mapping) else f"a {type(given).__name__}"


def _written(value: float, number: str | None) -> str:
    if number is None:
        number = "{:,.0f}" if abs(value) >= 100 else "{:.3g}"
    return number.format(value)
