"""One warp's request to memory, as the emulator's profiler recorded it: sectors that move, banks that are asked."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.patches import Rectangle

from ..emulator.trace.profile import SECTOR, Addresses, ProfileReport
from ..inspect.canvas import BLUE, VERMILLION
from .page import (
    EMPTY,
    FAINT,
    INK,
    INNER,
    LARGE,
    LINE,
    PALE_BLUE,
    PALE_VERMILLION,
    SMALL,
    Picture,
    cell,
    sheet,
    text_width,
    write,
)

LANES, BANKS, WORD = 32, 32, 4
WIDE, TALL = INNER / LANES, 0.24  # inches: of a lane's cell
FOLD = 0.07  # inches where memory is left out
GAP = 0.06  # inches: what is wider has a white edge and lies under its sector's frame, which would hide a sliver
TURNS = 8  # drawn of a request that is served as a whole; half as many of one that is not


def addresses(
    profile: ProfileReport, line: int, *, alt: str, request: int = 0, array: str | None = None, file: str | None = None
) -> Picture:
    """A request of `line` to global memory: the 32 lanes, and the sectors of 32 bytes that move for them.

    profile: from kernel.profile(...). request: which of the line's, in the order of time, from 0. array: where the line
    asks for more than one. Raises ValueError, naming what there is, where nothing was recorded.
    """
    one = _find(profile, line, "global", request, array, file)
    lanes = np.flatnonzero(one.offsets >= 0)
    touched = sectors(one)
    head = (
        f"{_count(len(lanes), 'lane asks', 'lanes ask')} for {len(lanes) * one.size:,} bytes: "
        f"{_count(len(touched), 'sector moves', 'sectors move')} ({len(touched) * SECTOR:,} bytes)"
    )
    places, wide = _lay_out(touched)
    numbers = [f"{sector * SECTOR:,}" for sector in touched]
    upright = max(text_width(number) for number in numbers) + 0.08 > wide
    below = max(text_width(number) for number in numbers) + 0.05 if upright else 0.17
    memory = 0.55 + TALL + 0.95
    figure, axes = sheet(INNER, memory + TALL + below + 0.4)
    _head(axes, head, one)
    _draw_lanes(axes, one, 0.55)
    at = dict(zip(touched.tolist(), places, strict=True))
    for x, number in zip(places, numbers, strict=True):
        cell(axes, x, memory, wide, TALL, PALE_VERMILLION, LINE)
        turned = {"rotation": 90} if upright else {}
        write(axes, x + wide / 2, memory + TALL + 0.04, number, va="top", **turned)
    for x in places:
        axes.add_patch(Rectangle((x, memory), wide, TALL, fill=False, edgecolor=INK, linewidth=0.8, zorder=1.5))
    _draw_bytes(axes, one, at, wide, memory)
    _dots(axes, touched, places, wide, memory + TALL / 2)
    _legend(axes, memory + TALL + below + 0.28, one)
    return Picture(figure, alt)


def _draw_bytes(axes: Axes, one: Addresses, at: dict[int, float], wide: float, memory: float) -> None:
    """What the lanes ask for, in the sectors that begin `at`, and the lines that join the two."""
    joins, byte = [], wide / SECTOR
    for lane in np.flatnonzero(one.offsets >= 0).tolist():
        offset = int(one.offsets[lane])
        for sector in range(offset // SECTOR, (offset + one.size - 1) // SECTOR + 1):
            start, end = max(offset, sector * SECTOR), min(offset + one.size, (sector + 1) * SECTOR)
            x = at[sector] + (start % SECTOR) / SECTOR * wide
            part = (end - start) * byte
            edge, over = (0.5, 1) if part > GAP else (0, 2)  # the sectors' frames are between
            axes.add_patch(
                Rectangle((x, memory), part, TALL, facecolor=BLUE, edgecolor="white", linewidth=edge, zorder=over)
            )
            joins.append([((lane + 0.5) * WIDE, 0.55 + TALL), (x + part / 2, memory)])
    axes.add_collection(LineCollection(joins, colors=BLUE, linewidths=0.8, alpha=0.8), autolim=False)


def sectors(request: Addresses) -> np.ndarray:
    """The sectors of 32 bytes that a request to global memory touches, in order."""
    first = request.offsets[request.offsets >= 0]
    return np.unique(np.concatenate([np.arange(at // SECTOR, (at + request.size - 1) // SECTOR + 1) for at in first]))


def _lay_out(touched: np.ndarray) -> tuple[list[float], float]:
    """Where each sector begins, in inches, and how wide it is: those side by side in memory stand side by side."""
    folds = np.concatenate(([0], np.cumsum(np.diff(touched) > 1)))
    wide = min(SECTOR / WORD * WIDE, (INNER - FOLD * folds[-1]) / len(touched))
    total = len(touched) * wide + folds[-1] * FOLD
    return [(INNER - total) / 2 + k * wide + fold * FOLD for k, fold in enumerate(folds)], wide


def _dots(axes: Axes, touched: np.ndarray, places: list[float], wide: float, y: float) -> None:
    middles = [places[k + 1] - FOLD / 2 for k in np.flatnonzero(np.diff(touched) > 1)]
    x = [middle + shift for middle in middles for shift in (-0.018, 0, 0.018)]
    axes.scatter(x, [y] * len(x), s=1.2, color=FAINT, linewidths=0)


def banks(
    profile: ProfileReport, line: int, *, alt: str, request: int = 0, array: str | None = None, file: str | None = None
) -> Picture:
    """A request of `line` to shared memory: the 32 banks, and under each the words that the lanes ask it for.

    A bank gives one word a turn; a cell holds the lane that asks, or "+" where several read the word together.
    The arguments are those of `addresses`.
    """
    one = _find(profile, line, "shared", request, array, file)
    parts = turns(one)
    worst, moved = max(len(part) for part in parts), sum(len(part) for part in parts)
    if worst == 1:
        head = f"no conflict: {_count(moved, 'turn', 'turns')}"
    else:
        what = "lanes on one word take turns" if one.operation == "atomic" else "conflict"
        head = f"{worst}-way {what}: {moved} turns"
    if len(parts) > 1:
        head += f" (at least {sum(map(bool, parts))}, for {one.size} bytes a lane)"
    joined = len(parts) == 1
    top = 0.55 + (TALL + 0.75) * joined
    most = TURNS if joined else TURNS // 2
    gap = 0.06 if joined else 0.22
    rows = [len(part) if len(part) <= most else most + 1 for part in parts]
    figure, axes = sheet(INNER, top + TALL + sum(rows) * TALL + gap * sum(map(bool, rows)) + 0.3)
    _head(axes, head, one)
    for bank in range(BANKS):
        cell(axes, bank * WIDE, top, WIDE, TALL, "white", LINE)
        write(axes, (bank + 0.5) * WIDE, top + TALL / 2, f"{bank}")
    if joined:
        _draw_lanes(axes, one, 0.55)
        there = np.flatnonzero(one.offsets >= 0)
        ends = one.offsets[there] // WORD % BANKS
        joins = [[((a + 0.5) * WIDE, 0.55 + TALL), ((b + 0.5) * WIDE, top)] for a, b in zip(there, ends, strict=True)]
        axes.add_collection(LineCollection(joins, colors=BLUE, linewidths=0.8, alpha=0.8), autolim=False)
    y = top + TALL + gap
    for k, (part, count) in enumerate(zip(parts, rows, strict=True)):
        if not part:
            continue
        _draw_turns(axes, part, most, y)
        if not joined:
            each = LANES // len(parts)
            write(axes, 0, y - 0.1, f"lanes {k * each} to {(k + 1) * each - 1}", color=FAINT, ha="left")
        y += count * TALL + gap
    legend = "white: the 32 banks; below them each row is a turn, each cell a word with its lane (+: several lanes)"
    write(axes, 0, y - gap + 0.18, legend, color=FAINT, ha="left")
    return Picture(figure, alt)


def turns(request: Addresses) -> list[list[dict[int, str]]]:
    """A request to shared memory, in the parts that are served apart: of each part its turns, {bank: who asks}.

    Lanes that ask for 8 bytes are served in two halves of a warp, for 16 bytes in four quarters. Lanes that read one
    word share it; atomics do not.
    """
    count = min(max(request.size // WORD, 1), 4)
    parts = []
    for lanes in np.split(np.arange(LANES), count):
        words: dict[tuple, list[int]] = {}
        for lane in lanes[request.offsets[lanes] >= 0].tolist():
            for byte in range(0, request.size, WORD):
                word = (int(request.offsets[lane]) + byte) // WORD
                words.setdefault((word, lane) if request.operation == "atomic" else (word,), []).append(lane)
        part: list[dict[int, str]] = []
        for (word, *_), who in sorted(words.items()):
            bank = word % BANKS
            turn = sum(bank in earlier for earlier in part)
            if turn == len(part):
                part.append({})
            part[turn][bank] = f"{who[0]}" if len(who) == 1 else "+"
        parts.append(part)
    return parts


def _draw_turns(axes: Axes, part: list[dict[int, str]], most: int, y: float) -> None:
    shown = part if len(part) <= most else [*part[: most - 1], None, part[-1]]
    for k, turn in enumerate(shown):
        if turn is None:
            write(axes, INNER / 2, y + (k + 0.5) * TALL, f"…  {len(part) - most} more turns  …", color=FAINT)
            continue
        for bank in range(BANKS):
            if bank in turn:
                cell(axes, bank * WIDE, y + k * TALL, WIDE, TALL, BLUE if k == 0 else VERMILLION)
                write(axes, (bank + 0.5) * WIDE, y + (k + 0.5) * TALL, turn[bank], color="white", weight="bold")
            else:
                cell(axes, bank * WIDE, y + k * TALL, WIDE, TALL, "#F4F4F4")


def _find(
    profile: ProfileReport, line: int, space: str, request: int, array: str | None, file: str | None
) -> Addresses:
    if not isinstance(profile, ProfileReport):
        raise TypeError(f"profile is a {type(profile).__name__}, expected what kernel.profile(...) returns")
    found = [one for one in profile.addresses(line, file) if one.space == space and array in (None, one.array)]
    if not found:
        there = sorted({(one.line, one.array) for one in profile.lines if one.space == space})
        places = ", ".join(f"{number} ({name})" for number, name in there) or "none"
        named = "" if array is None else f" to {array!r}"
        raise ValueError(f"line {line} makes no request{named} in {space} memory, expected one of the lines {places}")
    if not 0 <= request < len(found):
        raise ValueError(f"request is {request}, expected 0 to {len(found) - 1}: of each line a few are recorded")
    return found[request]


def _head(axes: Axes, head: str, one: Addresses) -> None:
    write(axes, 0, 0, head, LARGE, ha="left", va="top", weight="bold")
    array = "the dynamic shared memory" if (one.space, one.array) == ("shared", "dynamic") else one.array
    what = f"{one.operation}, {one.size} bytes a lane" + (f", of {array}" if array else "")
    write(axes, 0, 0.24, f"the 32 lanes of a warp: {what}", color=FAINT, ha="left", va="top")


def _draw_lanes(axes: Axes, one: Addresses, y: float) -> None:
    for lane in range(LANES):
        there = one.offsets[lane] >= 0
        cell(axes, lane * WIDE, y, WIDE, TALL, PALE_BLUE if there else EMPTY, LINE)
        write(axes, (lane + 0.5) * WIDE, y + TALL / 2, f"{lane}", SMALL, color=INK if there else FAINT)


def _legend(axes: Axes, y: float, one: Addresses) -> None:
    x = 0.0
    colours = [(BLUE, "asked for"), (PALE_VERMILLION, "moves for nothing")]
    if (one.offsets < 0).any():
        colours.append((EMPTY, "lane takes no part"))
    for colour, text in colours:
        cell(axes, x, y - 0.06, 0.16, 0.12, colour, LINE)
        write(axes, x + 0.22, y + 0.045, text, color=FAINT, ha="left", va="baseline")
        x += text_width(text) + 0.5
    write(
        axes,
        INNER,
        y + 0.045,
        f"under each sector: its first byte in {one.array or 'memory'}",
        color=FAINT,
        ha="right",
        va="baseline",
    )


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
