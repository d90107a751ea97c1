"""Matrices as heat maps: one, or several side by side, in proportion to their shapes."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize

from ..inspect.canvas import ATTENTION
from .page import (
    FAINT,
    INK,
    INNER,
    LARGE,
    LINE,
    NORMAL,
    SMALL,
    Picture,
    outline,
    sheet,
    show,
    text_height,
    text_width,
    write,
)
from .panel import BAR, UNIT, Panel

ALONE = 1.4  # inches of a matrix that is no part of a formula, at least
NO_NUMBER = "#BDBDBD"


def matrix(
    array: np.ndarray,
    *,
    alt: str,
    title: str | None = None,
    rows: str | None = None,
    columns: str | None = None,
    values: bool | None = None,
    diverging: bool = False,
    mark: Sequence[tuple[int, int]] = (),
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    colorbar: bool | None = None,
    colormap: str | Colormap | None = None,
    limits: tuple[float, float] | None = None,
) -> Picture:
    """A matrix (n, m) as a heat map. rows, columns: what its axes are, as "N queries"; row_labels, column_labels: each,
    or "" where there is to be none.

    values: write the numbers into it; None: up to 12 x 12. colorbar: None: where no numbers are written.
    diverging: blue below 0, red above, white at 0. mark: elements (i, j) to outline. colormap: "attention" is a light
    one. limits: the numbers at the ends of the colours. What is no finite number is grey.
    """
    panel = Panel(array, title, rows, columns, values, mark, row_labels, column_labels)
    return _draw([panel], [], diverging, colorbar, colormap, limits, True, alt)


def matrices(
    panels: Sequence[Mapping | tuple[str, np.ndarray]],
    *,
    alt: str,
    between: Sequence[str] | None = None,
    share: bool = True,
    diverging: bool = False,
    colorbar: bool | None = None,
    colormap: str | Colormap | None = None,
    limits: tuple[float, float] | None = None,
) -> Picture:
    """Several matrices in a row, or wrapped: pairs (title, array), or dicts of `array` and of what `matrix` takes for
    its words: title, rows, columns, values, mark, row_labels, column_labels. An element is as large in all of them.

    between: what stands between them, as ["@", "="]. share: one scale of colours for all, with one colour bar.
    """
    made = []
    for i, panel in enumerate(panels):
        if isinstance(panel, Mapping):
            strangers = set(panel) - set(Panel.__dataclass_fields__) | {"across", "down"} & set(panel)
            if strangers or "array" not in panel:
                raise ValueError(f"panel {i} has {sorted(panel)}, expected array and words of `matrix`: title, rows, …")
            made.append(Panel(**panel))
        elif isinstance(panel, tuple) and len(panel) == 2:
            made.append(Panel(panel[1], str(panel[0])))
        else:
            raise ValueError(f"panel {i} is a {type(panel).__name__}, expected a pair (title, array) or a dict")
    if not made:
        raise ValueError("panels are empty, expected one matrix at least")
    between = [""] * (len(made) - 1) if between is None else [str(word) for word in between]
    if len(between) != len(made) - 1:
        raise ValueError(f"between has {len(between)} words, expected {len(made) - 1}, one between two of the panels")
    return _draw(made, between, diverging, colorbar, colormap, limits, share, alt)


def _draw(
    panels: list[Panel],
    between: list[str],
    diverging: bool,
    colorbar: bool | None,
    colormap: str | Colormap | None,
    limits: tuple[float, float] | None,
    share: bool,
    alt: str,
) -> Picture:
    colours = _colours(colormap or ("RdBu_r" if diverging else "viridis"))
    arrays = [panel.array for panel in panels]
    scales = [_scale(arrays if share else [array], diverging, limits) for array in arrays]
    bar = not all(panel.texts for panel in panels) if colorbar is None else bool(colorbar)
    bar = bar and (share or len(panels) == 1)
    gaps = [text_width(word, 13) + 0.3 if word else 0.3 for word in between]
    paper = INNER - BAR * bar
    _fit(panels, gaps, paper, any(between))
    lines, places, wide = _wrap(panels, gaps, between, paper)
    above = [max(panels[i].above for i in line) for line in lines]
    tall = [max(panels[i].height for i in line) for line in lines]
    longest = min(max(tall[0], 0.9), 2.2)
    figure, axes = sheet(
        wide + BAR * bar, max(sum(above) + sum(tall) + 0.25 * (len(lines) - 1), bar * (above[0] + longest))
    )
    y = 0.0
    for line, head, body in zip(lines, above, tall, strict=True):
        for i in line:
            if i and between[i - 1]:
                write(axes, places[i] - gaps[i - 1] / 2, y + head + body / 2, between[i - 1], 13)
            top = y + head + (body - panels[i].height) / 2
            _draw_panel(axes, panels[i], places[i], top, scales[i], colours)
        y += head + body + 0.25
    if bar:
        _draw_bar(axes, wide + 0.18, above[0], longest, scales[0], colours)
    return Picture(figure, alt)


def _wrap(
    panels: list[Panel], gaps: list[float], between: list[str], paper: float
) -> tuple[list[list[int]], list[float], float]:
    """Which matrices stand in each row, where each begins, and how wide all is; a word goes along with what follows."""
    lines: list[list[int]] = [[]]
    places, x, wide = [], 0.0, 0.0
    for i, panel in enumerate(panels):
        gap = gaps[i - 1] if i else 0.0
        if lines[-1] and x + gap + panel.width > paper + 1e-6:
            lines.append([])
            x, gap = 0.0, gap if between[i - 1] else 0.0
        lines[-1].append(i)
        places.append(x + gap)
        x += gap + panel.width
        wide = max(wide, x)
    return lines, places, wide


def _fit(panels: list[Panel], gaps: list[float], paper: float, formula: bool) -> None:
    """The largest elements with which all stand in one row; they stay readable, so that more rows may be needed.

    What is no formula, with a word between two matrices, takes more rows before it gets small.
    """
    for panel in panels:
        if panel.texts and panel.array.shape[1] * panel.needs > paper - panel.left:
            raise ValueError(f"the values of a matrix of shape {panel.array.shape} do not fit into it: values=False")
    columns = sum(panel.array.shape[1] for panel in panels)
    widest = max(panel.array.shape[1] for panel in panels)
    room = paper - sum(gaps) - sum(panel.left for panel in panels)
    unit = max(
        min(UNIT, room / columns),
        0.03,
        0.0 if formula else min(UNIT, ALONE / widest),
        *(panel.needs for panel in panels),
    )
    for panel in panels:
        panel.fit(unit)


def _draw_panel(axes: Axes, panel: Panel, x: float, y: float, scale: Normalize, colours: Colormap) -> None:
    n, m = panel.array.shape
    left, wide, tall = x + panel.left, m * panel.across, n * panel.down
    shown = np.ma.masked_invalid(panel.array)
    show(axes, shown, left, y, wide, tall, cmap=colours, norm=scale)
    outline(axes, left, y, wide, tall, LINE)
    if panel.texts:
        axes.vlines(left + panel.across * np.arange(1, m), y, y + tall, colors="white", linewidth=0.8)
        axes.hlines(y + panel.down * np.arange(1, n), left, left + wide, colors="white", linewidth=0.8)
    for i, row in enumerate(panel.texts):
        for j, text in enumerate(row):
            ink = _ink(colours(scale(panel.array[i, j]))) if np.isfinite(panel.array[i, j]) else INK
            write(axes, left + (j + 0.5) * panel.across, y + (i + 0.5) * panel.down, text, SMALL, color=ink)
    for i, j in panel.mark:
        place = (left + j * panel.across, y + i * panel.down, panel.across, panel.down)
        outline(axes, *place, "white", 4.5)
        outline(axes, *place, INK, 2)
    for i, label in enumerate(panel.row_labels or ()):
        write(axes, left - 0.06, y + (i + 0.5) * panel.down, str(label), ha="right")
    turned = {"rotation": 90} if panel.upright else {}
    for j, label in enumerate(panel.column_labels or ()):
        write(axes, left + (j + 0.5) * panel.across, y - 0.05, str(label), va="bottom", **turned)
    if panel.rows:
        write(axes, x + 0.09, y + tall / 2, panel.rows, NORMAL, rotation=90, color=FAINT)
    title = text_height(panel.title, LARGE) + 0.04 if panel.title else 0
    if panel.columns:
        write(axes, left + wide / 2, y - panel.above + title + 0.09, panel.columns, NORMAL, color=FAINT)
    half = text_width(panel.title, LARGE) / 2
    middle = min(max(left + wide / 2, x + half), x + panel.width - half)  # over the matrix, if the title has room
    write(axes, middle, y - panel.above + 0.14, panel.title, LARGE, va="baseline")


def _draw_bar(axes: Axes, x: float, y: float, tall: float, scale: Normalize, colours: Colormap) -> None:
    steps = np.linspace(scale.vmax, scale.vmin, 64)[:, None]
    show(axes, steps, x, y, 0.14, tall, cmap=colours, norm=scale)
    outline(axes, x, y, 0.14, tall, LINE)
    for part, value in ((0, scale.vmax), (0.5, (scale.vmin + scale.vmax) / 2), (1, scale.vmin)):
        va = ("top", "center", "bottom")[round(2 * part)]
        write(axes, x + 0.18, y + part * tall, f"{value:.3g}".replace("-", "−"), ha="left", va=va)


def _scale(arrays: list[np.ndarray], diverging: bool, limits: tuple[float, float] | None) -> Normalize:
    if limits is not None:
        low, high = (float(limit) for limit in limits)
        if not low < high:
            raise ValueError(f"limits are {limits}, expected the lower one first")
        return Normalize(low, high)
    finite = np.concatenate([array[np.isfinite(array)] for array in arrays])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    if diverging:
        far = max(-low, high) or 1.0
        return Normalize(-far, far)
    if 0 < low < high / 4:
        low = 0.0  # what is counted from 0 has no colour of its own for the least that happened to be there
    return Normalize(low, high if high > low else low + 1)


def _colours(name: str | Colormap) -> Colormap:
    colours = ATTENTION if isinstance(name, str) and name == "attention" else colormaps.get_cmap(name)
    return colours.with_extremes(bad=NO_NUMBER)


def _ink(colour: tuple) -> str:
    """Black or white, whichever is read more easily on a colour."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return INK if np.dot(linear, (0.2126, 0.7152, 0.0722)) > 0.2 else "white"
