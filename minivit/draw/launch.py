"""A launch's threads, block by block, and what each of them takes."""

from collections.abc import Callable

from matplotlib.axes import Axes

from ..inspect.canvas import BLUE, VERMILLION
from .page import (
    EMPTY,
    FAINT,
    INK,
    INNER,
    NORMAL,
    PALE_BLUE,
    PALE_VERMILLION,
    SMALL,
    Picture,
    cell,
    sheet,
    text_width,
    whole,
    write,
)

TALL, HEAD, GAP = 0.3, 0.2, 0.25  # inches: a thread, the numbers of the threads, between blocks
BLOCKS = 6  # rows at most
TINTS = [(PALE_BLUE, BLUE), (PALE_VERMILLION, VERMILLION)]
CUT = -1  # stands for those that are left out


def threads(
    grid: int,
    block: int,
    *,
    alt: str,
    work: Callable[[int, int], object | None] | None = None,
    title: str | None = None,
) -> Picture:
    """A launch of `grid` blocks of `block` threads each, in one dimension: a cell for each thread.

    work(block, thread): what a thread takes, a short text, or None for one that has nothing to do and is grey; without
    it, each shows its own number. Of large launches the first and the last blocks and threads are shown.
    """
    grid, block = whole("grid", grid), whole("block", block)
    if work is not None and not callable(work):
        raise TypeError(f"work is a {type(work).__name__}, expected a function of block and thread")
    label = max(text_width(f"block {grid - 1}", NORMAL), 0.3) + 0.15
    for most in range(min(block, 34), min(block, 3) - 1, -1):  # as many threads as fit
        shown = _cut(block, most)
        blocks, wide = _blocks(grid, shown, work)
        if label + len(shown) * wide <= INNER:
            break
    else:
        raise ValueError(f"the texts of work are {wide:.1f} inches wide, expected shorter ones")
    above = (HEAD + 0.05) * bool(title)
    each = max(len(shown) * wide, label - 0.15)
    together = grid * (each + GAP) - GAP
    if len(blocks) == grid and together <= INNER and CUT not in shown:
        figure, axes = sheet(max(together, text_width(title or "", NORMAL)), above + 2 * HEAD + TALL)
        _draw_beside(axes, blocks, shown, above, each, wide, work)
    else:
        heights = [TALL + 0.08 if b != CUT else 0.25 for b in blocks]
        left_out = f"…  {grid - len(blocks) + 1:,} more blocks  …" if CUT in blocks else ""
        below = max(len(shown) * wide, text_width(left_out))
        figure, axes = sheet(max(label + below, text_width(title or "", NORMAL)), above + HEAD + sum(heights) - 0.08)
        _draw_below(axes, blocks, heights, shown, (label, above + HEAD), wide, work)
        if CUT in blocks:
            middle = above + HEAD + sum(heights[: blocks.index(CUT)]) + 0.085
            write(axes, label + below / 2, middle, left_out, color=FAINT)
    write(axes, 0, 0, title or "", NORMAL, ha="left", va="top")
    return Picture(figure, alt)


def _draw_beside(
    axes: Axes, blocks: list[int], shown: list[int], top: float, each: float, wide: float, work: Callable | None
) -> None:
    """All blocks in one row, `each` so many inches wide."""
    for b in blocks:
        x = b * (each + GAP)
        write(axes, x + each / 2, top + HEAD / 2, f"block {b}", NORMAL, color=TINTS[b % 2][1])
        x += (each - len(shown) * wide) / 2
        _draw_heads(axes, shown, x, top + HEAD, wide)
        _draw_block(axes, b, shown, x, top + 2 * HEAD, wide, work)


def _draw_below(
    axes: Axes,
    blocks: list[int],
    heights: list[float],
    shown: list[int],
    corner: tuple[float, float],
    wide: float,
    work: Callable | None,
) -> None:
    """A row for each block, from a corner on; its name stands left of it."""
    x, y = corner
    write(axes, x - 0.1, y - HEAD / 2, "thread", color=FAINT, ha="right")
    _draw_heads(axes, shown, x, y - HEAD, wide)
    for b, height in zip(blocks, heights, strict=True):
        if b != CUT:
            write(axes, x - 0.1, y + TALL / 2, f"block {b}", NORMAL, ha="right", color=TINTS[b % 2][1])
            _draw_block(axes, b, shown, x, y, wide, work)
        y += height


def _blocks(grid: int, shown: list[int], work: Callable | None) -> tuple[list[int], float]:
    """The blocks that are shown, and how wide a cell must be for what is written in theirs."""
    blocks = _cut(grid, BLOCKS)
    texts = [str(thread) for thread in shown if thread != CUT]
    texts += [_text(work, b, t) or "" for b in blocks if b != CUT for t in shown if t != CUT]
    return blocks, max(max(text_width(text) for text in texts) + 0.06, 0.22)


def _cut(count: int, most: int) -> list[int]:
    """0 to count - 1, or the first ones, CUT, and the last ones: `most` of them in all."""
    if count <= most:
        return list(range(count))
    last = 1 if most < 6 else 2
    return [*range(most - last - 1), CUT, *range(count - last, count)]


def _text(work: Callable | None, b: int, t: int) -> str | None:
    taken = t if work is None else work(b, t)
    return None if taken is None else str(taken)


def _draw_heads(axes: Axes, shown: list[int], x: float, y: float, wide: float) -> None:
    for k, thread in enumerate(shown):
        write(axes, x + (k + 0.5) * wide, y + HEAD / 2, "…" if thread == CUT else f"{thread}", SMALL, color=FAINT)


def _draw_block(axes: Axes, b: int, shown: list[int], x: float, y: float, wide: float, work: Callable | None) -> None:
    for k, thread in enumerate(shown):
        if thread == CUT:
            write(axes, x + (k + 0.5) * wide, y + TALL / 2, "…", color=FAINT)
            continue
        text = _text(work, b, thread)
        tint, edge = (EMPTY, "0.75") if text is None else TINTS[b % 2]
        cell(axes, x + k * wide + 0.01, y, wide - 0.02, TALL, tint, edge)
        write(axes, x + (k + 0.5) * wide, y + TALL / 2, text or "", SMALL, color=INK)
