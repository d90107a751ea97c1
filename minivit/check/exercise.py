"""`check.exercise("07.2")`: the check of chapter 07's second exercise, whose questions and reasons lie beside this.

course/build.py writes exercises/NN_name.json from the chapter's source: so the notebook of exercises does not show
what is expected, and any copy of it finds its checks in the installed package.
"""

import ast
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..messages import short
from .questions import Wrong

FOLDER = Path(__file__).parent / "exercises"
AS_GIVEN = (
    "So much for what is to be seen: this is the code as it was given. Find what is wrong with it, change it, and "
    "check again; then the likely reason is told, too."
)


def exercise(name: str) -> None:
    """Judge what the reader's cells have defined, by the check of this name. Raises Wrong, as the other checks do,
    TypeError for what is no name, and ValueError for one that no exercise has.

    Code that was given to be mended is judged by what can be seen of it alone, until a cell has changed it. The check
    has names of its own: it works on a copy of the reader's, so that no name of theirs means something else after it.
    """
    if not isinstance(name, str):
        meant = f"{name:04}" if isinstance(name, float) else "21.1"
        raise TypeError(f"the exercise is {short(name)}, expected its name, in quotes, such as {meant!r}")
    known = {path.name.partition("_")[0]: path for path in FOLDER.glob("*.json")}
    number, _, place = name.partition(".")
    parts = json.loads(known[number].read_text(encoding="utf-8")) if number in known else {}
    if place not in parts:
        names = ", ".join(repr(f"{number}.{place}") for place in parts)
        there = f"chapter {number} has {names}" if parts else f"the chapters are {', '.join(sorted(known))}"
        raise ValueError(f"there is no exercise {short(name)}: {there}")
    part, namespace = parts[place], dict(sys._getframe(1).f_globals)
    try:
        _judge(part["check"], f"<the check of exercise {name}>", namespace)
    except Wrong as wrong:
        if part["broken"] is not None and as_given(part["broken"], namespace.get("In", ())):
            raise Wrong(f"{str(wrong).splitlines()[0]}\n{AS_GIVEN}") from None
        raise
    except NameError as error:
        if error.__traceback__.tb_next.tb_next.tb_next is None:  # in the check itself: a cell has not been run
            raise Wrong(f"{error}: run the cells above from the top, then this one") from None
        raise


def _judge(check: str, file: str, namespace: dict[str, Any]) -> None:
    """Run a check. One wrong prediction does not hide another: all that are wrong are told, each in a line."""
    statements, wrong = ast.parse(check).body, []
    predictions = [ast.unparse(statement).startswith("check.answer(") for statement in statements]
    for i, statement in enumerate(statements):
        if wrong and not any(predictions[i:]):
            break
        try:
            exec(compile(ast.Module([statement], []), file, "exec"), namespace)
        except Wrong as error:
            wrong.append(str(error))
            if not predictions[i]:
                break
    if wrong:
        raise Wrong("\n".join(wrong))


def as_given(broken: str, cells: Iterable[str]) -> bool:
    """Whether the last of the cells that were run (IPython's `In`) that defines what the given code defines is that
    code, be it with other comments and spaces."""
    names = _defined(broken)
    for cell in reversed(list(cells)):
        if names & _defined(cell):
            return _dumped(cell) == _dumped(broken)
    return False


def _defined(code: str) -> set[str]:
    tree: Any = _parsed(code)
    found = set()
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        targets = node.targets if isinstance(node, ast.Assign) else ()
        found |= {inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)}
    return found


def _dumped(code: str) -> str:
    tree = _parsed(code)
    return "" if tree is None else ast.dump(tree)


def _parsed(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError):  # a cell with a magic, or one that did not run
        return None
