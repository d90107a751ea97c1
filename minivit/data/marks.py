"""Of the marks on a sheet of paper: which are the digit, which are a frame or hang on the edge, and are there several?"""

import numpy as np

from .parts import Part

NEAR = 0.25  # of the largest mark's longer side: pieces that are no farther away belong to it
ALIKE = 0.6  # of the largest mark's longer side: what is as large is no piece, but a digit of its own
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
        return marks, "the paper is uneven: a large part of the picture is of another brightness. Expected one digit."
    near = _joined(largest, marks)
    large = [mark for mark in marks if mark.side >= ALIKE * largest.side]
    if len(large) > MOST:
        return large, f"the paper is uneven: {len(large)} marks of about one size were found, expected one digit."
    if any(not any(_over(mark, other) for other in large if other is not mark) for mark in large) and len(large) > 1:
        return large, f"{len(large)} digits or marks of that size found, expected one: cut the picture to one."
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
    return mark.top <= 1 or mark.left <= 1 or mark.bottom >= shape[0] - 1 or mark.right >= shape[1] - 1


def without_frames(marks: list[Part]) -> list[Part]:
    """Without rectangles of lines, whole or broken: three sides of a box, at least, along which there is nearly always
    something near. What reaches these sides is the frame, and so is all that lies outside."""
    for mark in sorted(marks, key=lambda mark: -mark.side):
        top, left, bottom, right = mark.top, mark.left, mark.bottom, mark.right
        if mark.side < 8:
            break
        pieces = [one for one in marks if one.top < bottom and one.bottom > top and one.left < right and one.right > left]
        y = np.concatenate([(one.rows - top) / (bottom - top) for one in pieces])
        x = np.concatenate([(one.columns - left) / (right - left) for one in pieces])
        inside = (y >= 0) & (y < 1) & (x >= 0) & (x < 1)
        y, x = y[inside], x[inside]
        bands = (y < 0.12, x), (y > 0.88, x), (x < 0.12, y), (x > 0.88, y)
        covered = sum(len(np.unique((along[band] * 32).astype(int))) >= 28 for band, along in bands)
        if covered >= 3 and mark.area < 0.6 * mark.height * mark.width:
            within = [m for m in marks if m.top > top and m.left > left and m.bottom < bottom and m.right < right]
            return without_frames(within)
    return marks
