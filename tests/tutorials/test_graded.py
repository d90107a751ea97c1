"""Exercises to be marked: the sheets hold no solution, and a notebook gets the points of the checks that pass."""

import sys

import graded
import pytest
from build import read_chapters
from builder.notebooks import exercise_notebook

CHAPTERS = read_chapters()
(CHAPTER,) = [chapter for chapter in CHAPTERS if chapter.number == "22b"]


def test_the_sheets_hold_no_solution(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["graded.py", str(tmp_path / "sheets"), "05", "22b"])
    graded.main()
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == [
        "05_backpropagation.ipynb", "22b_what_a_gpu_is.ipynb"
    ]  # fmt: skip
    text = (tmp_path / "sheets" / "22b_what_a_gpu_is.ipynb").read_text(encoding="utf-8")
    assert "A hint" in text and "A solution" not in text and "exercises, 10 points" in text
    for exercise in CHAPTER.exercises:
        assert exercise.solved not in "\n".join(c.source for c in exercise_notebook(CHAPTER, "x", graded=True).cells)


def test_what_passes_gives_points(capfd) -> None:
    notebook = exercise_notebook(CHAPTER, "https://github.com/someone/minivit", graded=True)
    answers = {
        "22b.1": CHAPTER.exercises[0].solved,
        "22b.2": CHAPTER.exercises[1].wrongly_solved()["the longer one"][0],
        "22b.4": CHAPTER.exercises[3].solved,
    }
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        for name, answer in answers.items():
            if cell.source == f'check.exercise("{name}")':
                before.source = answer
    assert graded.points(notebook, CHAPTERS) == {
        "22b.1": (1, 1), "22b.2": (0, 2), "22b.3": (0, 2), "22b.4": (2, 2), "22b.5": (0, 3)
    }  # fmt: skip
    assert capfd.readouterr() == ("", ""), "a kernel has said something"


def test_a_folder_or_notebooks_are_needed(monkeypatch, capsys) -> None:
    for arguments, said in ((["graded.py"], "a folder for the sheets"), (["graded.py", "x", "99"], "no chapter 99")):
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit):
            graded.main()
        assert said in capsys.readouterr().err


def test_what_is_no_notebook_is_said(tmp_path, monkeypatch) -> None:
    (tmp_path / "picture.ipynb").write_bytes(b"\x89PNG")
    (tmp_path / "words.ipynb").write_text("Dear teacher")
    (tmp_path / "other.ipynb").write_text("{}")
    for name, said in (
        ("nothing.ipynb", "No such file"),
        ("picture.ipynb", "is not a notebook"),
        ("words.ipynb", "is not a notebook"),
        ("other.ipynb", "is not a notebook"),
    ):
        monkeypatch.setattr(sys, "argv", ["graded.py", "--mark", str(tmp_path / name)])
        with pytest.raises(SystemExit, match=f"{name}.*{said}"):
            graded.main()
