"""Of the marks on a sheet of paper: which are the digit, which a frame or on the edge, and are there several?"""

import numpy as np

from .parts import Part

NEAR = 0.25  # of the largest mark's longer side: pieces that are no farther away belong to it
ALIKE = 0.6  # of the largest mark's longer side: what is as large is no piece, but a digit of its own
THIN = 0.05  # of a mark's longer side: a line that is no thicker was not written, but ruled
MOST = 8  # marks of one size: more are no writing, but what paper and light have left


def sorted_out(marks: list[Part], shape: tuple[int, int], at_edge: bool) -> tuple[list[Part], str]:
    """The marks of the digit, none where all is clutter; and, where they are no digit, why. shape: the picture's.

    Clutter are frames, and what hangs on the picture's edge, unless at_edge.
    """
    marks = without_frames(marks)
    marks = [mark for mark in marks if at_edge or not touches(mark, shape)]
    if not marks:
        return [], ""
    largest = max(marks, key=lambda mark: mark.side)
    if not at_edge and largest.side < max(3, max(shape) / 16):
        return [], ""
    if at_edge and largest.area > 0.7 * largest.height * largest.width and largest.width > 0.5 * largest.height:
        return (
            marks,
            "no ink found, but uneven paper: a large part of the picture is of another brightness. Expected one digit.",
        )
    near = _joined(largest, marks)
    large = [mark for mark in marks if mark.side >= ALIKE * largest.side]
    if len(large) > MOST:
        return large, f"the paper is uneven: {len(large)} marks of about one size were found, expected one digit."
    if any(not any(_over(mark, other) for other in large if other is not mark) for mark in large) and len(large) > 1:
        found = f"{len(large)} digits or marks of that size found, expected one"
        return large, f"{found}: cut the picture to one, or find all of them with `minivit detect`."
    return [mark for mark in near if mark.area >= 0.01 * largest.area], ""


def _joined(largest: Part, marks: list[Part]) -> list[Part]:
    """The largest mark, and the pieces that are near it or near such a piece."""
    near, rest = [largest], [mark for mark in marks if mark is not largest]
    while joined := [mark for mark in rest if any(_gap(mark, other) <= NEAR * largest.side for other in near)]:
        near += joined
        rest = [mark for mark in rest if not any(mark is other for other in joined)]
    return near


def _gap(a: Part, b: Part) -> int:
    """Pixels between the boxes of two marks."""
    return max(a.top - b.bottom, b.top - a.bottom, a.left - b.right, b.left - a.right, 0)


def _over(a: Part, b: Part) -> bool:
    """Do they share columns? A piece of a digit stands above another, a second digit beside it."""
    return min(a.right, b.right) - max(a.left, b.left) > 0.2 * min(a.width, b.width)


def touches(mark: Part, shape: tuple[int, int]) -> bool:
    """Does a mark hang on the picture's edge?"""
    near = min(shape) // 100
    over = mark.top, mark.left, shape[0] - mark.bottom, shape[1] - mark.right
    return min(over) <= near


def without_frames(marks: list[Part]) -> list[Part]:
    """Without thin lines, and without rectangles of lines, whole or in pieces, and all that lies outside of them."""
    thick = [mark for mark in marks if mark.area > THIN * mark.side**2 or mark.side < 8]
    marks = thick or marks
    by_size = sorted(marks, key=lambda mark: -mark.side)
    for count in range(1, min(4, len(marks)) + 1):
        top, left = (min(getattr(mark, edge) for mark in by_size[:count]) for edge in ("top", "left"))
        bottom, right = (max(getattr(mark, edge) for mark in by_size[:count]) for edge in ("bottom", "right"))
        if is_frame(marks, (top, left, bottom, right)):
            within = [m for m in marks if m.top > top and m.left > left and m.bottom < bottom and m.right < right]
            return without_frames(within)
    return marks


def is_frame(marks: list[Part], box: tuple[int, int, int, int]) -> bool:
    """Along three sides of a box, at least, nearly every place has a mark near that side; and the box is not filled."""
    top, left, bottom, right = box
    y = (np.concatenate([mark.rows for mark in marks]) - top) / (bottom - top)
    x = (np.concatenate([mark.columns for mark in marks]) - left) / (right - left)
    inside = (y >= 0) & (y < 1) & (x >= 0) & (x < 1)
    y, x = y[inside], x[inside]
    if max(bottom - top, right - left) < 8 or len(y) > 0.6 * (bottom - top) * (right - left):
        return False
    bands = (y < 0.12, x), (y > 0.88, x), (x < 0.12, y), (x > 0.88, y)
    return sum(len(np.unique((along[band] * 32).astype(int))) >= 28 for band, along in bands) >= 3
