"""Alternative texts: written in a chapter's source where the picture is drawn, and shown in its notebook as a number.

A text that says what is to be seen should not be read before the picture by those who see it. So the notebook's cell
has alt="07.2" in its place; the texts lie in minivit/draw/alts/NN_name.json, where minivit.draw finds them by it.
"""

import ast
import json
from collections.abc import Callable
from dataclasses import dataclass

from .source import Cell, Chapter


@dataclass(frozen=True)
class Shown:
    """A code cell as a reader sees it, and as it is executed."""

    shown: str
    executed: str


def shown_cells(chapter: Chapter) -> dict[Cell, Shown]:
    """Every code cell of the chapter."""
    numbers = iter(range(1, 1000))
    return {
        cell: Shown(_replaced(cell.text, lambda: f'"{chapter.number}.{next(numbers)}"')[0], cell.text)
        for cell in (*chapter.before, *chapter.after)
        if cell.kind == "code"
    }


def alt_texts(chapter: Chapter) -> str:
    """The JSON that minivit/draw/page.py reads: the texts by their number."""
    texts = [
        text
        for cell in (*chapter.before, *chapter.after)
        if cell.kind == "code"
        for text in _replaced(cell.text, lambda: '""')[1]
    ]
    numbered = {f"{chapter.number}.{i}": text for i, text in enumerate(texts, 1)}
    return json.dumps(numbered, ensure_ascii=False, indent=1) + "\n"


def _replaced(code: str, number: Callable[[], str]) -> tuple[str, list[str]]:
    """The code with number() for each text that is given as alt=, and these texts."""
    found = [
        word.value
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "alt" and isinstance(word.value, ast.Constant)
    ]
    found.sort(key=lambda value: (value.lineno, value.col_offset))
    lines = code.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    made, end = [], 0
    for value in found:
        made += [b"".join(lines)[end : starts[value.lineno - 1] + value.col_offset], number().encode()]
        end = starts[value.end_lineno - 1] + value.end_col_offset
    return (b"".join(made) + b"".join(lines)[end:]).decode(), [value.value for value in found]
