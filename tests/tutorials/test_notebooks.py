"""Every chapter: executes from a clean kernel, is what its source says, and is fit to be read."""

import base64
import json
import re
from html import escape
from pathlib import Path

import build
import nbformat
import pytest
from builder.alts import alt_texts
from builder.execute import execute, largest, moves, pictures
from builder.minutes import measured_minutes
from builder.notebooks import chapter_notebook, exercise_notebook, sources
from matplotlib.figure import Figure as figure
from shells import pictures_of

from minivit import draw

CHAPTERS = build.read_chapters()
EACH = pytest.mark.parametrize(
    "chapter", [pytest.param(c, id=c.number, marks=getattr(pytest.mark, f"ch{c.number}")) for c in CHAPTERS]
)
LONGEST_CELL = 25  # lines


def committed(path: str) -> nbformat.NotebookNode:
    return nbformat.read(build.TUTORIALS / path, as_version=4)


@EACH
def test_it_executes(chapter) -> None:
    notebook = chapter_notebook(chapter, CHAPTERS, build.repository())
    made, there = pictures_of(notebook, build.TUTORIALS), len(pictures(committed(f"{chapter.name}.ipynb")))
    assert made == there - (chapter.number == "34")  # whose last picture, of others' weights, a fast run leaves out


def test_a_kernel_executes_it_too() -> None:
    (chapter,) = [chapter for chapter in CHAPTERS if chapter.number == "02"]  # a quick one
    notebook = chapter_notebook(chapter, CHAPTERS, build.repository())
    assert len(pictures(execute(notebook, build.TUTORIALS, fast=True))) == pictures_of(notebook, build.TUTORIALS)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("1 / 0", "ZeroDivisionError"),
        ("import warnings; warnings.warn('no')", "writes to stderr"),
        ("minivit.draw", "name 'minivit' is not defined"),
        ("import os; os._exit(3)", "in the middle of a cell"),
    ],
)
def test_a_cell_that_fails_is_noticed(code: str, said: str) -> None:
    import minivit.draw  # noqa: F401  a chapter that does not import it has it not

    with pytest.raises(AssertionError, match=said):
        pictures_of(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)]), build.TUTORIALS)


@EACH
def test_source_and_notebook_do_not_differ(chapter) -> None:
    made = chapter_notebook(chapter, CHAPTERS, build.repository())
    assert sources(made) == sources(committed(f"{chapter.name}.ipynb"))
    made = exercise_notebook(chapter, build.repository())
    assert sources(made) == sources(committed(f"exercises/{chapter.name}.ipynb"))


@EACH
def test_the_same_source_gives_the_same_cells(chapter) -> None:
    first, second = (chapter_notebook(chapter, CHAPTERS, build.repository()) for _ in range(2))
    assert first == second
    ids = [cell.id for cell in first.cells]
    assert len(set(ids)) == len(ids)


@EACH
def test_it_is_whole(chapter) -> None:
    """Executed from the first to the last cell, no error, no time stamps, no widgets, and not too large."""
    path = build.TUTORIALS / f"{chapter.name}.ipynb"
    notebook = committed(path.name)
    assert path.stat().st_size <= largest(notebook)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in notebook.cells:
        assert not cell.metadata
        for output in cell.get("outputs", []):
            assert output.output_type != "error" and output.get("name") != "stderr"
    for cell in committed(f"exercises/{chapter.name}.ipynb").cells:
        assert not cell.get("outputs")


@EACH
def test_its_pictures(chapter) -> None:
    found = pictures(committed(f"{chapter.name}.ipynb"))
    assert 3 <= len(found) <= 6
    for alt, _ in found:
        assert len(alt) > 40, alt  # it says what is to be seen
    moving = [len(base64.b64decode(png)) for _, png in found if moves(png)]
    assert max(moving, default=0) <= 200_000 and sum(moving) <= 300_000, moving


@EACH
def test_its_size(chapter) -> None:
    cells = [*chapter.before, *chapter.after]
    for cell in cells:
        if cell.kind == "code":
            assert cell.text.count("\n") < LONGEST_CELL, cell.text
    words = len(re.findall(r"[^\W\d_]{2,}", " ".join(cell.text for cell in cells if cell.kind == "markdown")))
    assert 900 <= words <= 1900, words


@EACH
def test_its_links(chapter) -> None:
    for path in (f"{chapter.name}.ipynb", f"exercises/{chapter.name}.ipynb"):
        for cell in committed(path).cells:
            for link in re.findall(r"\]\(([^)#]+)\)", cell.source) if cell.cell_type == "markdown" else []:
                if not link.startswith("http"):
                    assert (build.TUTORIALS / path).parent.joinpath(link).exists(), link


@EACH
def test_files_it_names_are_there(chapter) -> None:
    root = Path(build.TUTORIALS).parent
    for cell in (*chapter.before, *chapter.after):
        for name in re.findall(r"`((?:minivit|kernels|tutorials|course|benchmarks|tests)/[\w./]+\.\w+)`", cell.text):
            assert (root / name).exists(), name


def test_the_contents_are_built() -> None:
    assert (build.TUTORIALS / "README.md").read_text("utf-8") == build.built_contents(CHAPTERS)
    assert (build.COURSE.parent / "docs" / "teaching.md").read_text("utf-8") == build.teaching(CHAPTERS)
    for chapter in CHAPTERS:
        assert (build.COURSE / "pictures" / f"{chapter.name}.png").exists()
        assert set(chapter.needs) <= {other.number for other in CHAPTERS if other.number < chapter.number}


@pytest.mark.parametrize(("folder", "ending"), [(".", "ipynb"), ("exercises", "ipynb"), ("../course/pictures", "png")])
def test_nothing_is_left_of_a_chapter_that_is_gone(folder: str, ending: str) -> None:
    there = {path.stem for path in (build.TUTORIALS / folder).glob(f"*.{ending}")}
    assert there == {chapter.name for chapter in CHAPTERS}


def test_a_chapter_that_is_not_there_is_not_built(monkeypatch, capsys) -> None:
    monkeypatch.setattr("sys.argv", ["build.py", "1"])
    with pytest.raises(SystemExit):
        build.main()
    assert "no chapter 1, expected some of 00, 01" in capsys.readouterr().err


def test_colab_links_follow_the_one_address() -> None:
    text = json.dumps(exercise_notebook(CHAPTERS[0], "https://github.com/someone/else"))
    assert "colab.research.google.com/github/someone/else/blob/main/tutorials/exercises/" in text
    assert "git+https://github.com/someone/else" in text
    assert build.repository().removeprefix("https://github.com/") not in text


def test_the_readers_folder_holds_what_is_read() -> None:
    names = {path.name for path in build.TUTORIALS.iterdir() if not path.name.startswith(".")}
    assert names - {"__pycache__"} == {"README.md", "exercises", *(f"{chapter.name}.ipynb" for chapter in CHAPTERS)}


@EACH
def test_what_is_to_be_seen_is_told_beside_the_picture(chapter) -> None:
    """As HTML with an alt, which JupyterLab and nbconvert show, beside the PNG, which GitHub shows; the words lie in
    the package, and not in the cell above the picture."""
    words = json.loads((build.COURSE.parent / "minivit/draw/alts" / f"{chapter.name}.json").read_text("utf-8"))
    assert words == json.loads(alt_texts(chapter))
    notebook = committed(f"{chapter.name}.ipynb")
    for alt, png in pictures(notebook):
        assert alt in words.values()
        assert not any(alt in cell.source for cell in notebook.cells)
        (html,) = [
            output.data["text/html"]
            for cell in notebook.cells
            for output in cell.get("outputs", [])
            if output.get("data", {}).get("image/png") == png
        ]
        assert png in html and f'alt="{escape(alt)}"' in html
    for number, text in words.items():
        assert draw.picture(figure(), alt=number).alt == text


@EACH
def test_no_equation_is_wider_than_a_phone(chapter) -> None:
    texts = [cell.text for cell in (*chapter.before, *chapter.after) if cell.kind == "markdown"]
    for text in [*texts, *(exercise.text for exercise in chapter.exercises)]:
        for equation in re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL):
            for row in equation.split(r"\\"):
                assert width(row) <= 40, row
            assert not re.search(r"begin\{aligned\}\s*\[", equation), f"TeX takes [ ] for an option: {equation}"


@EACH
def test_lists_are_lists_and_paragraphs_are_none(chapter) -> None:
    """A line of a paragraph that begins with + or 2. would begin a list, or, where that is meant, none."""
    for path in (f"{chapter.name}.ipynb", f"exercises/{chapter.name}.ipynb"):
        texts = [cell.source for cell in committed(path).cells if cell.cell_type == "markdown"]
        for block in re.split(r"\n\n+", "\n\n".join(re.sub(r"```.*?```", "", text, flags=re.DOTALL) for text in texts)):
            marks = [re.match(r"([-+*]|\d+\.) |", line)[1] for line in block.strip("\n").split("\n")]
            assert marks[0] or not any(marks), block
            numbers = [mark for mark in marks if mark and mark[0].isdigit()]
            assert numbers == [f"{i}." for i in range(1, len(numbers) + 1)], block
            assert "** 1. " not in block, block


def width(row: str) -> int:
    """About how many letters wide a row of TeX is."""
    row = re.sub(r"\\(begin|end|tag)\{[^}]*\}", "", row)
    row = re.sub(r"\\(text|math(rm|bf|bb|cal)|bar|hat|tilde|operatorname|left|right|[bB]igg?[lr]?)\b", "", row)
    row = re.sub(r"\\t?frac\{?([^{}]*)\}?\{?([^{}]*)\}?", lambda m: max(m.groups(), key=len), row)
    row = row.replace(r"\qquad", "xxxx").replace(r"\quad", "xx")
    row = re.sub(r"\\[a-zA-Z]+", "x", row)
    return len(re.sub(r"\s+", " ", re.sub(r"[{}^_&]|\\[,;! ]", "", row)).strip())


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_its_minutes_are_honest(chapter) -> None:
    assert 0.75 <= chapter.minutes / measured_minutes(chapter) <= 1.35
