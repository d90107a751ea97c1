"""A description, drawn: its operations in boxes on a wire, shortcuts above it, what Let names below.

Each layer becomes a Piece, which knows its size before it is drawn: inches to the right, above and below the wire.
wire.py has the pieces, operations.py says what stands in a box.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from matplotlib.axes import Axes

from .operations import colours, joins, standardised, title, weight_title
from .page import INNER, Picture, sheet, text_width
from .wire import (
    BETWEEN,
    GAP,
    PLUS,
    Piece,
    box,
    draw_arrow,
    draw_joint,
    draw_wire,
    fill_rows,
    framed,
    in_rows,
    row,
    shifted,
    stack,
)

TOO_WIDE = 3  # times the paper: its letters could not be read


def layers(*what: Any, alt: str) -> Picture:
    """Layers, one after the other: `draw.layers(model.layers, alt="A ViT: …")`. alt: in words what it shows.

    Grey: norms; blue: products with weights; red: attention; a + ends a residual. What comes several times is drawn
    once, in a frame. What is wider than the paper goes on in the next row. Raises ValueError for layers that are one
    in the other and together too wide to be read, as a detector's: draw a part of them.
    """
    pieces = _pieces([part for layer in what for part in _flat(layer)])
    lines = [in_rows(one[0]) if one[0].times and one[0].width > INNER else row(one, GAP) for one in fill_rows(pieces)]
    if (widest := max(line.width for line in lines)) > TOO_WIDE * INNER:
        raise ValueError(
            f"these layers are {widest:.0f} inches wide and cannot be put in rows, expected at most "
            f"{TOO_WIDE * INNER:.0f}: draw a part, such as model.layers.parts[4]"
        )
    height = sum(line.above + line.below + 0.2 for line in lines) - 0.2
    figure, axes = sheet(max(line.width for line in lines), height)
    y = 0.0
    for line in lines:
        line.draw(axes, 0.0, y + line.above)
        y += line.above + line.below + 0.2
    return Picture(figure, alt)


def _flat(layer: Any) -> Iterator[Any]:
    """A chain is no more than its parts."""
    if type(layer).__name__ == "Chain":
        for part in layer.parts:
            yield from _flat(part)
    else:
        yield layer


def _pieces(flat: list[Any]) -> list[Piece]:
    """Runs that come again are drawn once; operations that belong together stand in one column."""
    signs = [_sign(layer) for layer in flat]
    pieces: list[Piece] = []
    i = 0
    while i < len(flat):
        length, times = _repeats(signs, i)
        if times > 1:
            pieces.append(framed(_pieces(flat[i : i + length]), f"× {times}"))
            i += length * times
            continue
        column = [flat[i]]
        while hasattr(flat[i], "op") and i + len(column) < len(flat) and hasattr(flat[i + len(column)], "op"):
            if not joins(column, flat[i + len(column)]) or _repeats(signs, i + len(column))[1] > 1:
                break
            column.append(flat[i + len(column)])
        pieces.append(_column(column) if hasattr(flat[i], "op") else _piece(flat[i]))
        i += len(column)
    return pieces


def _sign(layer: Any) -> str:
    """What is equal for two layers that differ in nothing but the names of what they read."""
    shapes = [parameter.shape for parameter in layer.parameters]
    return re.sub(r"[\w.]*\.\d+\.[\w.]+", "", repr(layer)) + repr(shapes)


def _repeats(signs: list[str], i: int) -> tuple[int, int]:
    """(length, times): the run from i on that repeats at once, the one that covers most; a residual in each."""
    best = (1, 1)
    for length in range(1, (len(signs) - i) // 2 + 1):
        run, times = signs[i : i + length], 1
        while signs[i + times * length : i + (times + 1) * length] == run:
            times += 1
        if times > 1 and any("Residual" in sign for sign in run) and length * times > best[0] * best[1]:
            best = (length, times)
    return best


def _piece(layer: Any) -> Piece:
    kind = type(layer).__name__
    if kind == "Chain":
        return row(_pieces(list(_flat(layer))))
    if kind == "Residual":
        shortcut = list(_flat(layer.shortcut))
        return _residual(_piece(layer.branch), row(_pieces(shortcut), GAP) if shortcut else None)
    if kind == "Let":
        value = list(_flat(layer.value))
        if type(value[0]).__name__ == "Value":
            if standardised(value):
                return stack([weight_title(layer), title(value[1])], [colours(layer), colours(value[1])])
            return _let_own(layer.name, [box(title(part), *colours(part)) for part in value], _piece(layer.body))
        return _let(layer.name, row(_pieces(value), GAP), _piece(layer.body))
    if kind in ("Fork", "Together"):
        return _fork([_piece(part) for part in layer.parts])
    return _column([layer])


def _column(parts: list[Any]) -> Piece:
    """Operations that belong together, on top of each other."""
    texts = [title(part) for part in parts]
    if len(parts) == 1 and "\n" not in texts[0] and text_width(texts[0]) > 0.5:
        texts = [re.sub(r"^(linear|layer|batch|group) ", r"\1\n", texts[0])]  # a box by itself is rather high than wide
    reads = [name for part in parts for name in getattr(part, "reads", ()) if name]
    return stack(texts, [colours(part) for part in parts], reads)


def _residual(branch: Piece, shortcut: Piece | None) -> Piece:
    """The branch on the wire, above it the shortcut, and a + where they meet."""
    up = branch.above + BETWEEN + (shortcut.below if shortcut else 0)  # from wire to wire
    inner = max(branch.width + 2 * GAP, shortcut.width if shortcut else 0)

    def draw(axes: Axes, x: float, y: float) -> None:
        end = x + inner + PLUS
        draw_wire(axes, (x, y), (end, y))
        draw_wire(axes, (x, y), (x, y - up), (end, y - up), (end, y))
        branch.draw(axes, x + GAP, y)
        if shortcut:
            shortcut.draw(axes, x, y - up)
        draw_joint(axes, end, y, "+")

    ports = {name: (GAP + x, below) for name, (x, below) in branch.ports.items()}
    return Piece(inner + 2 * PLUS, up + (shortcut.above if shortcut else 0.03), branch.below, draw, ports)


def _let(name: str, value: Piece, body: Piece) -> Piece:
    """The body on the wire; below it what makes the value from the same input, and goes up to who reads it."""
    at, reach = body.ports.get(name, (body.width, 0.0))
    shift, down = max(0.0, value.width - at), body.below + BETWEEN + value.above

    def draw(axes: Axes, x: float, y: float) -> None:
        draw_wire(axes, (x, y), (x + shift, y))
        body.draw(axes, x + shift, y)
        draw_wire(axes, (x, y), (x, y + down))
        value.draw(axes, x, y + down)
        draw_wire(axes, (x + value.width, y + down), (x + shift + at, y + down))
        draw_arrow(axes, x + shift + at, y + down, y + reach)

    return Piece(shift + body.width, body.above, down + value.below, draw, shifted(body.ports, shift))


def _let_own(name: str, boxes: list[Piece], body: Piece) -> Piece:
    """The body on the wire; under who reads it the value, which a parameter becomes from box to box upwards."""
    at, reach = body.ports.get(name, (body.width / 2, body.below))
    half = max(one.width for one in boxes) / 2
    shift = max(0.0, half - at)
    width = shift + max(body.width, at + half)
    depth = sum(2 * one.above + BETWEEN for one in boxes)

    def draw(axes: Axes, x: float, y: float) -> None:
        draw_wire(axes, (x, y), (x + width, y))
        body.draw(axes, x + shift, y)
        y += reach
        for one in reversed(boxes):
            draw_arrow(axes, x + shift + at, y + BETWEEN + one.above, y)
            one.draw(axes, x + shift + at - one.width / 2, y + BETWEEN + one.above)
            y += BETWEEN + 2 * one.above

    return Piece(width, body.above, max(body.below, reach + depth), draw, shifted(body.ports, shift))


def _fork(branches: Sequence[Piece]) -> Piece:
    """Branches above each other, put side by side at the end."""
    inner, steps, y = max(b.width for b in branches) + 2 * GAP, [], 0.0
    for i, branch in enumerate(branches):
        y += branch.above + (branches[i - 1].below + BETWEEN if i else 0)
        steps.append(y)
    last = steps[-1]

    def draw(axes: Axes, x: float, y: float) -> None:
        end, top = x + inner + PLUS, y - last + steps[0]
        for branch, step in zip(branches, steps, strict=True):
            wire = y - last + step
            draw_wire(axes, (x, wire), (end, wire))
            branch.draw(axes, x + GAP, wire)
        draw_wire(axes, (x, top), (x, y))
        draw_wire(axes, (end, top), (end, y))
        draw_joint(axes, end, y, "‖")

    return Piece(inner + 2 * PLUS, last, branches[-1].below, draw)
