"""What stands on a wire: pieces, which know their size before they are drawn. architecture.py makes them of layers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyBboxPatch

from .page import FAINT, INNER, LINE, NORMAL, text_height, text_width, write

GAP, PAD, BETWEEN, PLUS = 0.14, 0.08, 0.14, 0.09  # inches: of wire, around letters, between wires, a joint's radius
Ports = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Piece:
    """Something on the wire. ports: where whoever reads a name stands: (x of its middle, inches below the wire)."""

    width: float
    above: float
    below: float
    draw: Callable[[Axes, float, float], None]  # (axes, x of its left end, y of its wire)
    ports: Ports = field(default_factory=dict)
    inside: tuple["Piece", ...] = ()  # of a frame: what it holds, and how many times that comes
    times: str = ""


def box(text: str, inside: str, edge: str, width: float = 0.0) -> Piece:
    width, height = max(width, text_width(text) + 2 * PAD), text_height(text) + PAD

    def draw(axes: Axes, x: float, y: float) -> None:
        style = {"boxstyle": "round,pad=0.02", "facecolor": inside, "edgecolor": edge, "linewidth": 1, "zorder": 3}
        axes.add_patch(FancyBboxPatch((x + 0.02, y - height / 2 + 0.02), width - 0.04, height - 0.04, **style))
        write(axes, x + width / 2, y, text, zorder=4)

    return Piece(width, height / 2, height / 2, draw)


def stack(texts: list[str], painted: list[tuple[str, str]], reads: Sequence[str] = ()) -> Piece:
    """Boxes on top of each other, first at the top; the wire goes in and out at half their height."""
    width = max(text_width(text) for text in texts) + 2 * PAD
    boxes = [box(text, *colour, width) for text, colour in zip(texts, painted, strict=True)]
    height = sum(2 * one.above for one in boxes)

    def draw(axes: Axes, x: float, y: float) -> None:
        top = y - height / 2
        for one in boxes:
            one.draw(axes, x, top + one.above)
            top += 2 * one.above

    return Piece(width, height / 2, height / 2, draw, {name: (width / 2, height / 2) for name in reads})


def row(pieces: Sequence[Piece], lead: float = 0.0) -> Piece:
    """One after the other, wire between them; lead: inches of wire before and behind."""
    starts, x = [], lead
    for one in pieces:
        starts.append(x)
        x += one.width + GAP
    width = x - GAP + lead if pieces else 2 * lead

    def draw(axes: Axes, x: float, y: float) -> None:
        draw_wire(axes, (x, y), (x + width, y))
        for one, start in zip(pieces, starts, strict=True):
            one.draw(axes, x + start, y)

    ports = {
        name: (start + x, below)
        for one, start in zip(pieces, starts, strict=True) for name, (x, below) in one.ports.items()
    }  # fmt: skip
    above, below = (max((getattr(one, side) for one in pieces), default=0.0) for side in ("above", "below"))
    return Piece(width, above, below, draw, ports)


def fill_rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """As many as the paper is wide enough for, row by row."""
    rows: list[list[Piece]] = [[]]
    for one in pieces:
        if rows[-1] and row([*rows[-1], one], GAP).width > INNER:
            rows.append([])
        rows[-1].append(one)
    return rows


def framed(pieces: Sequence[Piece], times: str) -> Piece:
    """A row in a frame, which says how often it comes."""
    inside = row(pieces, GAP)

    def draw(axes: Axes, x: float, y: float) -> None:
        _frame(axes, x, y - inside.above, inside.width, inside.above + inside.below, times)
        inside.draw(axes, x, y)

    below = inside.below + 0.1 + text_height(times)
    return Piece(inside.width, inside.above + 0.08, below, draw, inside=tuple(pieces), times=times)


def in_rows(framed: Piece) -> Piece:
    """A frame wider than the paper: what it holds goes on in the next row."""
    lines = [row(one, GAP) for one in fill_rows(framed.inside)]
    width, height = max(line.width for line in lines), sum(line.above + line.below + 0.12 for line in lines)

    def draw(axes: Axes, x: float, y: float) -> None:
        _frame(axes, x, y, width, height, framed.times)
        y += 0.06
        for line in lines:
            line.draw(axes, x, y + line.above)
            y += line.above + line.below + 0.12

    return Piece(width, 0.08, height + text_height(framed.times), draw)


def _frame(axes: Axes, x: float, y: float, width: float, height: float, times: str) -> None:
    style = {"boxstyle": "round,pad=0.02", "fill": False, "edgecolor": LINE, "linestyle": (0, (3, 2))}
    axes.add_patch(FancyBboxPatch((x + 0.02, y - 0.06), width - 0.04, height + 0.12, zorder=2, **style))
    write(axes, x + width - 0.06, y + height + 0.1, times, ha="right", va="top")


def shifted(ports: Ports, by: float) -> Ports:
    return {name: (x + by, below) for name, (x, below) in ports.items()}


def draw_wire(axes: Axes, *points: tuple[float, float]) -> None:
    axes.plot(*zip(*points, strict=True), color=FAINT, linewidth=1.1, solid_capstyle="round", zorder=1)


def draw_arrow(axes: Axes, x: float, start: float, end: float) -> None:
    axes.annotate(
        "", (x, end), (x, start), annotation_clip=False, zorder=2,
        arrowprops={"arrowstyle": "-|>", "color": FAINT, "linewidth": 1.1, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def draw_joint(axes: Axes, x: float, y: float, text: str) -> None:
    axes.add_patch(Circle((x, y), PLUS, facecolor="white", edgecolor=FAINT, linewidth=1.1, zorder=3))
    write(axes, x, y, text, NORMAL, zorder=4)
