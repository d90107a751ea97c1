"""Every exercise: its check fails before it is solved, passes with the solution, refuses each named wrong answer."""

import ast
import json
import re
from pathlib import Path

import pytest
from build import read_chapters
from builder.notebooks import exercise_checks, exercise_notebook
from builder.source import Exercise

from minivit import check
from minivit.check import Wrong
from minivit.check.exercise import AS_GIVEN, FOLDER

CHAPTERS = read_chapters()
EXERCISES = [
    pytest.param(c, exercise, id=f"{c.number}-{exercise.title}", marks=getattr(pytest.mark, f"ch{c.number}"))
    for c in CHAPTERS
    for exercise in c.exercises
]


@pytest.fixture(autouse=True)
def _quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINIVIT_FAST", "1")
    monkeypatch.chdir(tmp_path)


def run(chapter, exercise: Exercise, answer: str, cells: tuple[str, ...] = ()) -> None:
    """The cells of the exercise's notebook, with `answer` in the place of the learner's. cells: IPython's `In`."""
    namespace: dict = {"__name__": "__main__", "In": list(cells)}
    line = f'check.exercise("{chapter.number}.{chapter.exercises.index(exercise) + 1}")'
    for cell in (*chapter.setup, *exercise.given, answer, line):
        exec(compile(cell, f"<{chapter.name}: {exercise.title}>", "exec"), namespace)


@pytest.mark.parametrize(("chapter", "exercise"), EXERCISES)
def test_the_check_fails_before_it_is_solved(chapter, exercise: Exercise) -> None:
    with pytest.raises((Wrong, NotImplementedError)):
        run(chapter, exercise, exercise.stub)


@pytest.mark.parametrize(("chapter", "exercise"), EXERCISES)
def test_the_solution_passes(chapter, exercise: Exercise, capsys: pytest.CaptureFixture[str]) -> None:
    run(chapter, exercise, exercise.solved)
    assert " ok" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # a mistake may overflow
@pytest.mark.parametrize(("chapter", "exercise"), EXERCISES)
def test_wrong_answers_are_refused_and_told_why(chapter, exercise: Exercise) -> None:
    assert len(exercise.wrong) >= 2
    for name, (answer, said) in exercise.wrongly_solved().items():
        assert said, f"{name}: what must the check say?"
        with pytest.raises(Exception) as refused:  # by the check, or by NumPy, whose message must then tell as much
            run(chapter, exercise, answer)
            pytest.fail(f"{exercise.title}: the wrong answer {name!r} passes")
        assert not isinstance(refused.value, (NotImplementedError, NameError, SyntaxError)), refused.value
        assert said in str(refused.value), f"{name}: {refused.value}"


BROKEN = [param for param in EXERCISES if param.values[1].broken is not None]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("chapter", "exercise"), BROKEN)
def test_what_is_given_to_be_mended_is_not_diagnosed_before_an_attempt(chapter, exercise: Exercise) -> None:
    line = 'check.exercise("1")'
    for cells in ((exercise.stub,), (exercise.stub, line, "print(1)", line), (exercise.stub + "\n# so what?", line)):
        with pytest.raises(Wrong) as told:
            run(chapter, exercise, exercise.stub, cells)
        symptom, hint = str(told.value).split("\n")
        assert symptom and hint == AS_GIVEN
    attempts = [
        answer for answer, said in exercise.wrongly_solved().values() if answer.strip() != exercise.stub.strip()
    ]
    for answer in attempts:
        with pytest.raises(Exception) as told:
            run(chapter, exercise, answer, (exercise.stub, line, answer, line))
        assert AS_GIVEN not in str(told.value)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.name)
def test_the_notebook_tells_nothing_of_a_check(chapter) -> None:
    """The package holds the checks, as they stand in the source; the notebook has a line for each."""
    checks = json.loads((FOLDER / f"{chapter.name}.json").read_text("utf-8"))
    assert checks == json.loads(exercise_checks(chapter))
    cells = exercise_notebook(chapter, "https://example.org/minivit").cells
    lines = [cell.source for cell in cells if cell.source.startswith("check.exercise(")]
    assert lines == [f'check.exercise("{chapter.number}.{i + 1}")' for i in range(len(chapter.exercises))]
    shown = "\n".join(cell.source for cell in cells)
    for exercise in chapter.exercises:
        assert exercise.check not in shown
        for reason in [text for text in re.findall(r'"([^"\n]{30,})"', exercise.check) if text not in exercise.solved]:
            assert reason not in shown


def test_a_check_that_is_not_there_and_cells_that_were_not_run() -> None:
    with pytest.raises(ValueError, match=r"no exercise '07\.9', expected one of '07\.1'"):
        check.exercise("07.9")
    with pytest.raises(ValueError, match="no exercise 'seven'"):
        check.exercise("seven")
    with pytest.raises(Wrong, match=r"is not defined: run the cells above"):
        exec('check.exercise("07.1")', {"check": check})


def test_there_are_enough() -> None:
    assert len(EXERCISES) >= 50
    wrong = sum(len(exercise.wrong) for chapter in CHAPTERS for exercise in chapter.exercises)
    counted = f"{len(CHAPTERS)} chapters, {len(EXERCISES)} exercises, {wrong} wrong answers"
    assert counted in (Path(__file__).parents[2] / "docs" / "proof.md").read_text("utf-8"), counted
    for chapter in CHAPTERS:
        assert len(chapter.exercises) >= 3, chapter.name
        assert len({exercise.title for exercise in chapter.exercises}) == len(chapter.exercises)


@pytest.mark.parametrize(("chapter", "exercise"), EXERCISES)
def test_nothing_is_given_away(chapter, exercise: Exercise) -> None:
    """What the learner finds is Python, and is not the solution."""
    ast.parse(exercise.stub)
    assert exercise.stub != exercise.solved
