"""Exercises that are handed in: no solution is given away, and what comes back is judged by each exercise's check."""

import assignments
import nbformat
import pytest
from build import read_chapters

CHAPTERS = read_chapters()
CHAPTER = next(chapter for chapter in CHAPTERS if chapter.number == "01")


@pytest.fixture
def handed_out(tmp_path):
    assignments.make(tmp_path, [CHAPTER])
    return tmp_path / f"{CHAPTER.name}.ipynb"


def test_neither_hint_nor_solution_is_handed_out(handed_out):
    text = "\n".join(cell.source for cell in nbformat.read(handed_out, as_version=4).cells)
    for exercise in CHAPTER.exercises:
        assert exercise.title in text and exercise.hint not in text and exercise.solved not in text
    assert text.count("check.exercise(") == len(CHAPTER.exercises)


def test_what_is_handed_in_is_judged(handed_out):
    """The first is solved, the second is left as it was, the third's check is gone; and a cell claims success."""
    notebook = nbformat.read(handed_out, as_version=4)
    for cell in notebook.cells:
        if cell.source == CHAPTER.exercises[0].stub:
            cell.source = CHAPTER.exercises[0].solved
        if cell.source == 'check.exercise("01.2")':
            cell.source += '\nprint("solved")'
    notebook.cells = [cell for cell in notebook.cells if cell.source != 'check.exercise("01.3")']
    nbformat.write(notebook, handed_out)
    found = assignments.grade(handed_out, CHAPTERS)
    assert list(found) == [f"01.{i + 1}" for i in range(len(CHAPTER.exercises))]
    assert list(found.values())[:3] == ["solved", "wrong", "missing"]


def test_what_is_no_assignment_is_refused(tmp_path):
    (tmp_path / "essay.ipynb").write_text("my essay")
    with pytest.raises(ValueError, match=r"essay\.ipynb is no notebook"):
        assignments.grade(tmp_path / "essay.ipynb", CHAPTERS)
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "empty.ipynb")
    with pytest.raises(ValueError, match=r"empty\.ipynb has no exercise"):
        assignments.grade(tmp_path / "empty.ipynb", CHAPTERS)
