"""One matrix and the words around it, measured before anything is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .page import INNER, LARGE, NORMAL, text_height, text_width

WRITTEN = 12  # rows or columns at most whose values are written, unless told otherwise
UNIT, LEAST = 0.32, 0.3  # inches: the side of an element at most, of a matrix at least
TALLEST = 3.4
LYING = 4.5  # inches at most for labels side by side; longer ones stand
BAR = 0.75  # inches for the colour bar and its numbers


@dataclass
class Panel:
    """One matrix, and what is written around it."""

    array: np.ndarray
    title: str = ""
    rows: str = ""
    columns: str = ""
    values: bool | None = None
    mark: Sequence[tuple[int, int]] = ()
    row_labels: Sequence[str] | None = None
    column_labels: Sequence[str] | None = None
    across: float = 0.0  # inches of an element, once they are known
    down: float = 0.0

    def __post_init__(self) -> None:
        given = np.asarray(self.array)
        if given.ndim != 2 or not given.size or given.dtype.kind not in "buif":
            raise ValueError(
                f"the matrix has shape {given.shape} and dtype {given.dtype}, expected 2-D, of real numbers"
            )
        self.array, self.whole = given.astype(float), given.dtype.kind != "f"
        for name, labels, count in (
            ("row", self.row_labels, given.shape[0]),
            ("column", self.column_labels, given.shape[1]),
        ):
            if labels is not None and (isinstance(labels, str) or len(labels) != count):
                raise ValueError(f"{name}_labels are {labels!r}, expected {count} of them, the matrix is {given.shape}")
        for i, j in self.mark:
            if not (0 <= i < given.shape[0] and 0 <= j < given.shape[1]):
                raise ValueError(f"mark names ({i}, {j}), expected an element of a matrix of shape {given.shape}")
        self.title, self.rows, self.columns = self.title or "", self.rows or "", self.columns or ""
        if self.values is None:
            self.values = max(given.shape) <= WRITTEN
        self.texts = [[_number(value, self.whole) for value in row] for row in self.array] if self.values else []

    @property
    def needs(self) -> float:
        """Inches that an element needs for its number, and for its label, if few labels are to lie."""
        numbers = max((text_width(text) for row in self.texts for text in row), default=-0.1) + 0.1
        labels = max((text_width(str(label)) for label in self.column_labels or ()), default=-0.1) + 0.1
        return max(numbers, labels) if labels * self.array.shape[1] <= LYING else numbers

    def fit(self, unit: float) -> None:
        """Elements of `unit` inches, or wider for what is written, or smaller for the paper."""
        n, m = self.array.shape
        small = min(unit, (INNER - BAR - self.left) / m, TALLEST / n)
        self.across = max(small, LEAST / m, self.needs)
        self.down = max(small, LEAST / n, 0.26 if self.texts else 0)
        if self.row_labels is not None:
            self.down = max(self.down, 0.17 / _apart(self.row_labels))

    @property
    def upright(self) -> bool:
        """Do the labels of the columns have to stand?"""
        labels = self.column_labels or ()
        widest = max((text_width(str(label)) for label in labels), default=0)
        return widest + 0.05 > self.across * _apart(labels)

    @property
    def left(self) -> float:
        labels = max((text_width(str(label)) + 0.08 for label in self.row_labels or ()), default=0)
        return labels + 0.22 * bool(self.rows)

    @property
    def above(self) -> float:
        labels = 0.0
        if self.column_labels is not None:
            labels = 0.08 + (max(text_width(str(label)) for label in self.column_labels) if self.upright else 0.15)
        title = text_height(self.title, LARGE) + 0.04 if self.title else 0
        return title + 0.22 * bool(self.columns) + labels

    @property
    def width(self) -> float:
        names = max(text_width(self.title, LARGE), text_width(self.columns, NORMAL))
        return max(self.left + self.array.shape[1] * self.across, names)

    @property
    def height(self) -> float:
        return self.array.shape[0] * self.down


def _apart(labels: Sequence[str]) -> int:
    """How many elements lie from one label to the next at least, where "" leaves some without."""
    there = np.flatnonzero([str(label) != "" for label in labels])
    return int(np.diff(there).min(initial=len(labels) or 1))


def _number(value: float, whole: bool) -> str:
    if not np.isfinite(value):
        return "–" if np.isnan(value) else ("∞" if value > 0 else "−∞")
    if whole or (value == round(value) and abs(value) < 1000):
        text = f"{value:.0f}"
    else:
        text = f"{value:.2f}" if 0.01 <= abs(value) < 100 else f"{value:.2g}"
    return text.replace("-", "−")
