"""The builder: what it makes of a source, and what it refuses."""

import base64
import json
from copy import deepcopy
from pathlib import Path

import pytest
from builder.alts import alt_texts
from builder.contents import contents
from builder.execute import NotebookError, execute, pictures
from builder.notebooks import chapter_notebook, exercise_notebook, sources, write
from builder.source import SourceError, read_chapter
from builder.words import with_outputs
from nbclient.exceptions import CellExecutionError

REPOSITORY = "https://github.com/someone/minivit"
SOURCE = '''\
# ---
# title: Sums
# question: What is a sum?
# sentence: Adding.
# minutes: 5
# needs: []
# gpu: of no use
# ---

# %% [markdown]
# Text with $x_1$.

# %% role="setup"
from minivit import check, draw

two = 2

# %%
draw.lines({"a": ([0, 1], [0, 1])}, xlabel="x", ylabel="y", alt="A line that rises from nought to one.")  # fmt: skip

# %% [markdown] exercise="Two and two" kind="predict" stars=1 minutes=1
# What is 2 + 2?

# %% role="solution"
# YOUR TURN
four = 4
# END

# %% role="check"
check.answer(four, two + two)

# %% [markdown] role="hint"
# Fingers.

# %% role="wrong"
{"a miscount": ("four = 4", "four = 5", "think again"), "a word": ("", 'four = "many"', "think again")}

# %% [markdown] exercise="Add" kind="build" stars=2 minutes=2
# Write it.


# %% role="solution"
def add(a, b):
    """The sum."""
    # YOUR TURN
    # by the book
    total = a + b
    return total
    # END


kernel = """
    // YOUR TURN
    y[i] = 1;
    // END
"""

# %% role="check"
check.answer(add(2, 3), 5)

# %% [markdown] role="hint"
# Plus.

# %% role="wrong"
{"times": ("a + b", "a * b", "think again")}

# %% [markdown]
# The end.
'''


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory):
    """The chapter's notebook, executed by a kernel for all tests that look at the result: copy what is changed."""
    folder = tmp_path_factory.mktemp("once")
    (folder / "03_sums.py").write_text(SOURCE, encoding="utf-8")
    chapter = read_chapter(folder / "03_sums.py")
    return execute(chapter_notebook(chapter, [chapter], REPOSITORY), folder)


@pytest.fixture
def chapter(tmp_path: Path):
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE, encoding="utf-8")
    return read_chapter(path)


def test_an_exercise_is_taken_apart(chapter) -> None:
    first, second = chapter.exercises
    assert first.stub == "four = ...  # your answer"
    assert second.stub == (
        'def add(a, b):\n    """The sum."""\n    raise NotImplementedError("your turn: about 2 lines")\n\n\n'
        'kernel = """\n    // your turn: about 1 line\n"""'
    )
    assert "YOUR TURN" not in second.solved and "total = a + b" in second.solved
    assert first.wrongly_solved()["a word"] == ('four = "many"', "think again")
    assert "a * b" in second.wrongly_solved()["times"][0]


def test_the_chapter_lists_its_exercises_and_does_not_hold_them(chapter) -> None:
    notebook = chapter_notebook(chapter, [chapter], REPOSITORY)
    text = [cell.source for cell in notebook.cells]
    assert text[0].startswith("# 03 · Sums") and "github/someone/minivit/blob/main/tutorials/03_sums.ipynb" in text[0]
    assert not any("four" in cell or "fmt:" in cell for cell in text)
    assert any("| 2 | Add | Build · ★★☆ · 2 minutes |" in cell for cell in text)
    assert text[-2:] == ["The end.", "[all chapters](README.md)"]


def test_the_exercises_repeat_the_setup_and_fold_the_solutions(chapter) -> None:
    cells = [cell.source for cell in exercise_notebook(chapter, REPOSITORY).cells]
    assert any(cell.endswith("two = 2") for cell in cells)
    assert any(cell.startswith("<details><summary>A solution") and "total = a + b" in cell for cell in cells)
    assert sum("total = a + b" in cell for cell in cells) == 1


def test_a_comment_that_begins_with_end_ends_nothing(tmp_path: Path) -> None:
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE.replace("# by the book", "# ENDLESS"), encoding="utf-8")
    assert "LESS" not in read_chapter(path).exercises[1].stub


def test_a_title_that_asks_gets_no_full_stop(tmp_path: Path) -> None:
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE.replace('exercise="Add"', 'exercise="Which sum?"'), encoding="utf-8")
    cells = [cell.source for cell in exercise_notebook(read_chapter(path), REPOSITORY).cells]
    assert any("\n\n**Two and two.** What is" in cell for cell in cells)
    assert any("\n\n**Which sum?** Write it." in cell for cell in cells)


def test_a_chapter_may_come_between_two_numbers(chapter, tmp_path: Path) -> None:
    path = tmp_path / "22b_sums.py"
    path.write_text(SOURCE.replace("needs: []", "needs: [3, 22b]"), encoding="utf-8")
    between = read_chapter(path)
    assert between.number == "22b" and between.needs == ("03", "22b")
    assert "22_attention" < between.name < "23_kernel"
    text = chapter_notebook(between, [chapter, between], REPOSITORY).cells[0].source
    assert text.startswith("# 22b · Sums") and "Read first: [03 Sums](03_sums.ipynb)" in text
    assert any(cell.source == 'check.exercise("22b.1")' for cell in exercise_notebook(between, REPOSITORY).cells)
    assert list(json.loads(alt_texts(between))) == ["22b.1"]
    page = contents([chapter, between], {"03_sums": "a", "22b_sums": "b"}, REPOSITORY)
    assert "after 03, 22b" in page and "## E. CUDA" in page


def test_the_same_source_gives_the_same_text_and_ids(chapter, tmp_path: Path) -> None:
    again = read_chapter(tmp_path / "03_sums.py")
    for make in (lambda c: chapter_notebook(c, [c], REPOSITORY), lambda c: exercise_notebook(c, REPOSITORY)):
        assert write(make(chapter)) == write(make(again))
    ids = [identity for identity, *_ in sources(exercise_notebook(chapter, REPOSITORY))]
    assert len(ids) == len(set(ids))


def test_executing_keeps_the_pictures_and_drops_the_times(chapter, once) -> None:
    ((alt, png),) = pictures(once)
    assert alt == "A line that rises from nought to one." and base64.b64decode(png).startswith(b"\x89PNG")
    assert all(not cell.metadata for cell in once.cells)
    quoted = contents([chapter], {"03_sums": 'Of "a" | b.'}, REPOSITORY)
    assert 'alt="Of &quot;a&quot; | b."' in quoted
    page = contents([chapter], {"03_sums": alt}, REPOSITORY)
    assert "[03 · Sums](03_sums.ipynb)" in page and f'alt="{alt}"' in page and "2 exercises" in page


@pytest.mark.parametrize(
    ("code", "error", "said"),
    [
        ("1 / 0", CellExecutionError, "ZeroDivisionError"),
        ("import warnings; warnings.warn('no')", NotebookError, "stderr"),
    ],
)
def test_a_chapter_that_fails_or_warns_is_refused(code: str, error: type, said: str, tmp_path: Path) -> None:
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE.replace("two = 2", code), encoding="utf-8")
    chapter = read_chapter(path)
    with pytest.raises(error, match=said):
        execute(chapter_notebook(chapter, [chapter], REPOSITORY), tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# minutes: 5\n", "", "the header has"),
        ("# ---\n# title", "# title", "does not begin with a header"),
        ('kind="build"', 'kind="guess"', "kind= one of"),
        ("stars=2", "stars=9", "stars= 1 to 3"),
        ('# %% role="wrong"\n{"times"', '# %% role="wrnog"\n{"times"', "no such role: 'wrnog'"),
        ('# %% role="check"\ncheck.answer(add(2, 3), 5)\n', "", "'Add' has no cell with role=check"),
        ('# %% role="setup"', '# %% role="check"', "before the first exercise"),
        ("    return total\n    # END\n", "    return total\n", "without its `END`"),
        ("    # YOUR TURN\n    # by", "    # YOUR TURN \n    # by", "without its `END`"),
        ("# %% [markdown] role=\"hint\"\n# Plus.", '# %% role="check"\n2', "two cells with role='check'"),
    ],
)  # fmt: skip
def test_a_source_that_does_not_follow_the_format_is_refused(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in SOURCE
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SourceError, match=said):
        read_chapter(path)


def test_a_wrong_answer_must_differ_from_the_solution_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "03_sums.py"
    path.write_text(SOURCE.replace('("a + b"', '("c + d"'), encoding="utf-8")
    with pytest.raises(SourceError, match="stands 0 times"):
        read_chapter(path).exercises[1].wrongly_solved()


def test_an_alternative_text_is_a_number_in_the_cell_and_is_executed_in_full(chapter, once) -> None:
    text = "A line that rises from nought to one."
    made = chapter_notebook(chapter, [chapter], REPOSITORY)
    (cell,) = [cell for cell in made.cells if "draw.lines" in cell.source]
    assert text not in cell.source and 'alt="03.1"' in cell.source and text in cell.metadata["executed"]
    assert json.loads(alt_texts(chapter)) == {"03.1": text}
    ((alt, _),) = pictures(once)
    assert alt == text and all(text not in cell.source for cell in once.cells)


def test_a_notebook_has_the_metadata_that_the_kernel_tells(chapter, once) -> None:
    """What differs, JupyterLab writes into a notebook when it is opened, which is then "modified"."""
    made = chapter_notebook(chapter, [chapter], REPOSITORY)
    assert once.metadata == made.metadata
    assert made.metadata.kernelspec.display_name == "Python 3 (ipykernel)"


def test_new_words_keep_the_outputs_and_new_code_does_not(chapter, once, tmp_path: Path) -> None:
    def read(source: str):
        path = tmp_path / "03_sums.py"
        path.write_text(source, encoding="utf-8")
        return read_chapter(path)

    def make(chapter):
        return chapter_notebook(chapter, [chapter], REPOSITORY)

    before, alts_before = deepcopy(once), json.loads(alt_texts(chapter))
    other = read(SOURCE.replace("The end.", "The very end.").replace("A line that rises", "A line & a climb"))
    made = with_outputs(make(other), before, json.loads(alt_texts(other)), alts_before)
    assert any("The very end." in cell.source for cell in made.cells)
    ((alt, png),) = pictures(made)
    assert alt == "A line & a climb from nought to one."
    (html,) = [
        o.data["text/html"] for c in made.cells for o in c.get("outputs", []) if "text/html" in o.get("data", {})
    ]
    assert "A line &amp; a climb" in html and png in html and not any(cell.metadata for cell in made.cells)
    changed = read(SOURCE.replace("two = 2", "two = 3"))
    with pytest.raises(NotebookError, match="its code has changed"):
        with_outputs(make(changed), before, alts_before, alts_before)
