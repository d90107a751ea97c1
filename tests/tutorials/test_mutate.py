"""course/mutate.py: what it changes, what it counts, and that its list of harmless mutants is of today."""

import json
import sys
from pathlib import Path

import mutate
import pytest
from build import read_chapters
from builder.notebooks import exercise_checks
from builder.source import Exercise, read_chapter

from minivit import check

SOLUTION = """\
def scaled(x, axis):
    scale = 2
    # YOUR TURN
    total = x[1:].sum(axis=axis) - scale
    if total < 0:
        total += 1
    return total, x
    # END
"""
SOURCE = """\
# ---
# title: Sums
# question: What is a sum?
# sentence: Adding.
# minutes: 5
# needs: []
# gpu: of no use
# ---

# %% role="setup"
from minivit import check

# %% [markdown] exercise="Take away" kind="build" stars=1 minutes=1
# Do.

# %% role="solution"
def f(a, b):
    # YOUR TURN
    c = a - b
    return c
    # END

# %% role="check"
check.answer(f(4, 0), 4)

# %% [markdown] role="hint"
# Minus.

# %% role="wrong"
{"b": ("a - b", "b", "think")}
"""


def exercise(solution: str) -> Exercise:
    return Exercise("Scale", "build", 1, 1, "Do.", solution=solution)


def test_it_changes_one_thing_in_the_lines_of_the_learner() -> None:
    found = mutate.mutants(exercise(SOLUTION))
    for change in (
        "total = x[1:].sum(axis=axis) - scale → total = x[1:].sum(axis=axis) + scale",
        "total = x[1:].sum(axis=axis) - scale → total = scale - x[1:].sum(axis=axis)",
        "total = x[1:].sum(axis=axis) - scale → total = x[2:].sum(axis=axis) - scale",
        "total = x[1:].sum(axis=axis) - scale → total = x[:].sum(axis=axis) - scale",
        "total = x[1:].sum(axis=axis) - scale → total = x[1:].mean(axis=axis) - scale",
        "total = x[1:].sum(axis=axis) - scale → total = x[1:].sum() - scale",
        "total = x[1:].sum(axis=axis) - scale → pass",
        "if total < 0: → if total <= 0:",
        "if total < 0: → if not total < 0:",
        "total += 1 → total = 1",
        "return (total, x) → return (x, total)",
    ):
        assert change in found
    assert not any("scale = " in change for change in found)  # it is given
    assert all(compile(code, "", "exec") for code in found.values()) and len(set(found.values())) == len(found)


def test_a_kernel_is_changed_by_its_text() -> None:
    code = 'f = """__global__ void f(float *y, int n) {\n    // YOUR TURN\n    if (i < n) y[i] += 2;\n    // END\n}"""'
    found = mutate.mutants(exercise(code))
    assert "3: if (i < n) y[i] += 2; → if (i <= n) y[i] += 2;" in found
    assert "3: if (i < n) y[i] += 2; → if (i < n) y[i] += 3;" in found
    assert len(found) == 4 and all(compile(text, "", "exec") for text in found.values())


def test_it_tells_what_a_check_lets_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "99_sums.py"
    path.write_text(SOURCE, encoding="utf-8")
    chapter = read_chapter(path)
    assert check.exercise
    monkeypatch.setattr(sys.modules["minivit.check.exercise"], "FOLDER", tmp_path)
    (tmp_path / "99_sums.json").write_text(exercise_checks(chapter), encoding="utf-8")
    counted, passing = mutate.try_exercise(chapter, 1, {})
    assert set(passing) == {"c = a - b → c = a + b", "c = a - b → c = a"}
    assert counted == 4  # without "pass", which misses a name
    assert mutate.try_exercise(chapter, 1, dict.fromkeys(passing, "the same")) == (2, [])
    chapter.exercises[0].solution = "def f(a, b):\n    return b"
    with pytest.raises(ValueError, match=r"solution of 99\.1 does not pass"):
        mutate.try_exercise(chapter, 1, {})


def test_what_is_called_equal_is_still_a_mutant_and_has_a_reason() -> None:
    exercises = {f"{c.number}.{i}": e for c in read_chapters() for i, e in enumerate(c.exercises, 1)}
    for name, mutants in json.loads(mutate.EQUAL.read_text("utf-8")).items():
        assert set(mutants) <= set(mutate.mutants(exercises[name])), name
        assert all(len(reason) > 10 for reason in mutants.values())
