"""Every exercise: its check fails before it is solved, passes with the solution, refuses each named wrong answer."""

import ast
from pathlib import Path

import pytest
from build import read_chapters
from builder.source import Exercise

from minivit.check import Wrong

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


def run(chapter, exercise: Exercise, answer: str) -> None:
    """The cells of the exercise's notebook, with `answer` in the place of the learner's."""
    namespace: dict = {"__name__": "__main__"}
    for cell in (*chapter.setup, *exercise.given, answer, exercise.check):
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
