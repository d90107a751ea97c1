"""Every exercise: its check fails before it is solved, passes with the solution, refuses each named wrong answer."""

import ast
import json
import re
from pathlib import Path

import pytest
from build import read_chapters
from builder.notebooks import exercise_checks, exercise_notebook
from builder.source import Exercise
from trials import attempt

from minivit import check
from minivit.check import Wrong
from minivit.check.exercise import AS_GIVEN, FOLDER

CHAPTERS = read_chapters()
EXERCISES = [
    pytest.param(c, exercise, id=f"{c.number}-{exercise.title}", marks=getattr(pytest.mark, f"ch{c.number}"))
    for c in CHAPTERS
    for exercise in c.exercises
]
# What is asked of an exercise is asked together (scope): its chapter's setup is then run once.
EACH = pytest.mark.parametrize(("chapter", "exercise"), EXERCISES, scope="module")


@pytest.fixture(autouse=True)
def _quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MINIVIT_FAST", "1")
    monkeypatch.chdir(tmp_path)


@EACH
def test_the_check_fails_before_it_is_solved(chapter, exercise: Exercise) -> None:
    """And of what is given to be mended it tells no reason, however often that is run, until it has been changed."""
    given, line = exercise.stub, 'check.exercise("1")'
    if exercise.broken is None:
        outcome = attempt(chapter, exercise, given)
        assert {"Wrong", "NotImplementedError"} & set(outcome.errors)
        if asked := given.count(" = ...  # your answer"):  # all that are missing are told
            assert outcome.said.count(": there is no answer yet") == asked, outcome
        return
    for cells in ((given,), (given, line, "print(1)", line), (given + "\n# so what?", line)):
        outcome = attempt(chapter, exercise, given, cells)
        symptom, hint = outcome.said.split("\n")
        assert "Wrong" in outcome.errors and symptom and hint == AS_GIVEN


@EACH
def test_the_solution_passes(chapter, exercise: Exercise) -> None:
    outcome = attempt(chapter, exercise, exercise.solved)
    assert not outcome.errors, outcome
    assert " ok" in outcome.printed


@EACH
def test_wrong_answers_are_refused_and_told_why(chapter, exercise: Exercise) -> None:
    assert len(exercise.wrong) >= 4
    for name, (answer, said) in exercise.wrongly_solved().items():
        assert said, f"{name}: what must the check say?"
        changed = exercise.broken is not None and answer.strip() != exercise.stub.strip()
        cells = (exercise.stub, 'check.exercise("1")', answer, 'check.exercise("1")') if changed else ()
        outcome = attempt(chapter, exercise, answer, cells)  # refused by the check, or by NumPy, which tells as much
        assert outcome.errors, f"{exercise.title}: the wrong answer {name!r} passes"
        assert not {"NotImplementedError", "NameError", "SyntaxError"} & set(outcome.errors), outcome
        assert said in outcome.said and AS_GIVEN not in outcome.said, f"{name}: {outcome.said}"
        if exercise.kind == "predict":  # what is right besides is not called wrong
            assert outcome.said.count(" is not right: ") == 1, f"{name}: {outcome.said}"


def test_an_answer_that_spoils_something_spoils_it_for_nobody_else() -> None:
    (chapter,) = [chapter for chapter in CHAPTERS if chapter.number == "07"]
    exercise = chapter.exercises[1]
    spoilt = attempt(chapter, exercise, "np.exp = None\nrng = np = check = None\n1 / 0")
    assert spoilt.errors[0] == "ZeroDivisionError"
    assert attempt(chapter, exercise, exercise.solved) == attempt(chapter, exercise, exercise.solved)
    assert not attempt(chapter, exercise, exercise.solved).errors


def test_without_forks_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    (chapter,) = [chapter for chapter in CHAPTERS if chapter.number == "05"]
    exercise = chapter.exercises[1]
    answers = [exercise.stub, exercise.solved, *(answer for answer, _ in exercise.wrongly_solved().values())]
    forked = [attempt(chapter, exercise, answer) for answer in answers]
    monkeypatch.delattr("os.fork")
    assert [attempt(chapter, exercise, answer) for answer in answers] == forked


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
    with pytest.raises(ValueError, match=r"no exercise '07\.9': chapter 07 has '07\.1'"):
        check.exercise("07.9")
    with pytest.raises(ValueError, match="no exercise 'seven'"):
        check.exercise("seven")
    with pytest.raises(Wrong, match=r"is not defined: run the cells above"):
        exec('check.exercise("07.1")', {"check": check})


def test_one_wrong_prediction_does_not_hide_another() -> None:
    (chapter,) = [chapter for chapter in CHAPTERS if chapter.number == "09"]
    exercise = chapter.exercises[0]
    first, second, *_, last = re.findall(r"^(\w+) = ", exercise.solved, re.MULTILINE)
    outcome = attempt(chapter, exercise, f"{exercise.solved}\n{first} = {last} = 'a cat'")
    assert outcome.errors[0] == "Wrong" and f"{second}: " in outcome.printed
    lines = outcome.said.splitlines()
    assert [line.partition(" is not right: ")[0] for line in lines] == [f"{first}: 'a cat'", f"{last}: 'a cat'"]


def test_a_check_leaves_the_learners_names_as_they_are() -> None:
    """32.1 asks for a number named `first`, and 32.3's check has a function of that name."""
    (chapter,) = [chapter for chapter in CHAPTERS if chapter.number == "32"]
    predict, _, rounds, _ = chapter.exercises
    lines = [f'check.exercise("32.{i}")' for i in (1, 3, 1)]
    outcome = attempt(chapter, rounds, "\n".join((predict.solved, rounds.solved, *lines)))
    assert not outcome.errors, outcome


def test_there_are_enough() -> None:
    assert len(EXERCISES) >= 50
    wrong = sum(len(exercise.wrong) for chapter in CHAPTERS for exercise in chapter.exercises)
    counted = f"{len(CHAPTERS)} chapters, {len(EXERCISES)} exercises, {wrong} wrong answers"
    assert counted in (Path(__file__).parents[2] / "docs" / "proof.md").read_text("utf-8"), counted
    for chapter in CHAPTERS:
        assert len(chapter.exercises) >= 3, chapter.name
        assert len({exercise.title for exercise in chapter.exercises}) == len(chapter.exercises)


@EACH
def test_nothing_is_given_away(chapter, exercise: Exercise) -> None:
    """What the learner finds is Python, and is not the solution."""
    ast.parse(exercise.stub)
    assert exercise.stub != exercise.solved
