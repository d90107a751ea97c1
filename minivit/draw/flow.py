"""A pipeline: what there is, of which shape, and what is done to it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from ..inspect.canvas import BLUE
from .page import FAINT, INK, INNER, NORMAL, PALE_BLUE, SMALL, Picture, sheet, text_height, text_width, write

PAD = 0.14  # inches between a box and its letters


def shapes(steps: Sequence[tuple | str], *, alt: str) -> Picture:
    """Boxes (what, shape) or (what, shape, note in small letters), and between two of them a text, the operation.

    As in [("images", "(B, 28, 28, 1)"), "cut", ("patches", "(B, 16, 49)")]. What is long goes on in the next row.
    """
    boxes, operations = _check(steps)
    wide = [_box_width(box) + (_arrow_width(operations[i - 1]) if i else 0) for i, box in enumerate(boxes)]
    rows = _wrap(wide, INNER)
    for tenths in range(1, int(INNER * 10)):  # as few rows as the paper allows, and those about as long as each other
        narrower = _wrap(wide, INNER - tenths / 10)
        if len(narrower) > len(rows):
            break
        rows = narrower
    drawn = [[(boxes[i], operations[i - 1] if i else None) for i in row] for row in rows]
    widths = [sum(_box_width(box) + (_arrow_width(op) if op is not None else 0) for box, op in row) for row in drawn]
    heights = [_row_height(row) for row in drawn]
    figure, axes = sheet(min(max(widths), INNER), sum(heights) + 0.2 * (len(rows) - 1))
    y = 0.0
    for row, height in zip(drawn, heights, strict=True):
        _draw_row(axes, row, y)
        y += height + 0.2
    return Picture(figure, alt)


def _wrap(wide: list[float], paper: float) -> list[list[int]]:
    """Which boxes, with the arrows before them `wide`, stand in each row."""
    rows: list[list[int]] = [[]]
    for i in range(len(wide)):
        if rows[-1] and sum(wide[k] for k in rows[-1]) + wide[i] > paper:
            rows.append([])
        rows[-1].append(i)
    return rows


def _check(steps: Sequence[tuple | str]) -> tuple[list[tuple[str, str, str]], list[str]]:
    steps = list(steps)
    if len(steps) % 2 == 0:
        raise ValueError(f"there are {len(steps)} steps, expected an odd number: box, operation, box, …, box")
    boxes = []
    for i, step in enumerate(steps):
        if i % 2 and not isinstance(step, str):
            raise ValueError(f"step {i} is {step!r}, expected a text, the operation between two boxes")
        if i % 2 == 0:
            if isinstance(step, str) or not isinstance(step, Sequence) or len(step) not in (2, 3):
                raise ValueError(f"step {i} is {step!r}, expected a box (what, shape) or (what, shape, note)")
            boxes.append((*map(str, step), "")[:3])
    return boxes, steps[1::2]


def _box_width(box: tuple[str, str, str]) -> float:
    what, shape, note = box
    return max(text_width(what, NORMAL), text_width(shape, NORMAL, "monospace"), text_width(note) - PAD) + 2 * PAD


def _arrow_width(operation: str) -> float:
    return max(0.5, text_width(operation) + 0.3)


def _box_height(box: tuple[str, str, str]) -> float:
    return text_height(box[0], NORMAL) + text_height(box[1], NORMAL) + 0.16


def _above(row: list) -> float:
    """Inches between a row's top and its arrows."""
    return max(max(_box_height(box) / 2, text_height(operation or "") + 0.06) for box, operation in row)


def _row_height(row: list) -> float:
    return _above(row) + max(_box_height(box) / 2 + (text_height(box[2]) + 0.05) * bool(box[2]) for box, _ in row)


def _draw_row(axes: Axes, row: list, y: float) -> None:
    x, middle = 0.0, y + _above(row)
    for box, operation in row:
        what, shape, note = box
        if operation is not None:
            width = _arrow_width(operation)
            axes.annotate(
                "", (x + width - 0.03, middle), (x + 0.03, middle), annotation_clip=False,
                arrowprops={"arrowstyle": "-|>", "color": FAINT, "linewidth": 1.2, "shrinkA": 0, "shrinkB": 0},
            )  # fmt: skip
            write(axes, x + width / 2, middle - 0.05, operation, va="bottom")
            x += width
        width, height = _box_width(box), _box_height(box)
        place, size = (x + 0.03, middle - height / 2 + 0.03), (width - 0.06, height - 0.06)
        style = {"boxstyle": "round,pad=0.03", "facecolor": PALE_BLUE, "edgecolor": BLUE, "linewidth": 1}
        axes.add_patch(FancyBboxPatch(place, *size, **style))
        top = middle - height / 2 + 0.21
        write(axes, x + width / 2, top, what, NORMAL, va="baseline")
        write(
            axes, x + width / 2, middle + height / 2 - 0.08, shape, NORMAL, va="bottom", family="monospace", color=INK
        )
        write(axes, x + width / 2, middle + height / 2 + 0.05, note, SMALL, va="top", color=FAINT)
        x += width
