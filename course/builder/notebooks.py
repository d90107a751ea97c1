"""From a chapter to its two notebooks, not yet executed, and its checks. The same source gives the same cells, ids."""

import hashlib
import json
import platform
from collections.abc import Sequence

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from .alts import Shown, shown_cells
from .source import KINDS, Cell, Chapter, Exercise

# As ipykernel tells it: what differs, JupyterLab writes into a notebook when it is opened, and calls that a change.
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {
        "codemirror_mode": {"name": "ipython", "version": 3},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": "ipython3",
        "version": platform.python_version(),
    },
}
ON_COLAB = """\
import sys

if "google.colab" in sys.modules:  # on Colab, and only there, install minivit
    import subprocess

    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "git+{repository}"], check=True)"""


def chapter_notebook(chapter: Chapter, chapters: Sequence[Chapter], repository: str) -> NotebookNode:
    """The chapter as it is read, with a list of its exercises in place of them."""
    exercises, shown = f"exercises/{chapter.name}.ipynb", shown_cells(chapter)
    cells = [
        Cell("markdown", _title(chapter, chapters, repository)),
        Cell("code", ON_COLAB.format(repository=repository)),
        *chapter.before,
        Cell("markdown", _exercise_list(chapter, exercises)),
        *chapter.after,
        Cell("markdown", _ways_on(chapter, chapters)),
    ]
    return _notebook([shown.get(cell, cell) for cell in cells], chapter.name)


def exercise_notebook(chapter: Chapter, repository: str, graded: bool = False) -> NotebookNode:
    """What the chapter's exercises need, and the exercises: hint and solution are folded under each. The check is a
    line; its questions and reasons are in `exercise_checks`. graded: with points, without solutions."""
    path = f"tutorials/exercises/{chapter.name}.ipynb"
    head = f"""\
# {chapter.number} · {chapter.title}: exercises

To the chapter: [{chapter.title}](../{chapter.name}.ipynb) · [open in Colab]({colab_link(repository, path)})

Run the cells from the top. Each exercise has a cell for you to write in and one that checks it, and says what is wrong.
The exercises do not need one another. Hints and solutions are folded: try first."""
    if graded:
        head = f"""\
# {chapter.number} · {chapter.title}: exercises, {sum(exercise.stars for exercise in chapter.exercises)} points

To the chapter: [{chapter.title}]({repository}/blob/main/tutorials/{chapter.name}.ipynb)

Run the cells from the top. Write into the cell above each check, and leave the checks as they are: one that passes
gives as many points as the exercise has stars."""
    cells = [
        Cell("markdown", head),
        Cell("code", ON_COLAB.format(repository=repository)),
        *(Cell("code", text) for text in chapter.setup),
    ]
    for number, exercise in enumerate(chapter.exercises, 1):
        cells += [
            Cell("markdown", _prompt(number, exercise)),
            *(Cell("code", text) for text in exercise.given),
            Cell("code", exercise.stub),
            Cell("code", f'check.exercise("{chapter.number}.{number}")'),
            Cell("markdown", _folded("A hint", exercise.hint)),
            *([] if graded else [Cell("markdown", _folded("A solution", f"```python\n{exercise.solved}\n```"))]),
        ]
    return _notebook(cells, chapter.name + " exercises")


def exercise_checks(chapter: Chapter) -> str:
    """The JSON that minivit/check/exercise.py reads: each exercise's check, and the code that is given to be mended."""
    parts = {
        str(number): {"check": exercise.check, "broken": exercise.broken}
        for number, exercise in enumerate(chapter.exercises, 1)
    }
    return json.dumps(parts, ensure_ascii=False, indent=1) + "\n"


def sources(notebook: NotebookNode) -> list[tuple[str, str, str]]:
    """What must not differ between a source and its notebook: of each cell its id, kind and text."""
    return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]


def write(notebook: NotebookNode) -> str:
    """The text of an .ipynb file."""
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def _title(chapter: Chapter, chapters: Sequence[Chapter], repository: str) -> str:
    first = [_link(other) for other in chapters if other.number in chapter.needs]
    colab = colab_link(repository, f"tutorials/{chapter.name}.ipynb")
    return f"""\
# {chapter.number} · {chapter.title}

**{chapter.question}**

Read first: {", ".join(first) or "nothing"} · {chapter.minutes} minutes · a GPU is {chapter.gpu}
· [exercises](exercises/{chapter.name}.ipynb) · [open in Colab]({colab})"""


def _exercise_list(chapter: Chapter, path: str) -> str:
    rows = [f"| {i} | {exercise.title} | {_label(exercise)} |" for i, exercise in enumerate(chapter.exercises, 1)]
    return "\n".join(
        [
            "## Exercises",
            "",
            f"They are in [a notebook of their own]({path}), each with a check, a hint and a solution.",
            "",
            "| | | |",
            "|---|---|---|",
            *rows,
        ]
    )


def _ways_on(chapter: Chapter, chapters: Sequence[Chapter]) -> str:
    names = [other.name for other in chapters]
    i = names.index(chapter.name)
    ways = [f"back: {_link(chapters[i - 1])}"] if i else []
    ways.append("[all chapters](README.md)")
    ways += [f"next: {_link(chapters[i + 1])}"] if i + 1 < len(chapters) else []
    return " · ".join(ways)


def _label(exercise: Exercise) -> str:
    stars = "★" * exercise.stars + "☆" * (3 - exercise.stars)
    return f"{KINDS[exercise.kind]} · {stars} · {exercise.minutes} minutes"


def _prompt(number: int, exercise: Exercise) -> str:
    stop = "" if exercise.title.endswith("?") else "."
    gap = "\n\n" if exercise.text.startswith("1. ") else " "  # a list begins on a line of its own, or is none
    return f"## Exercise {number} · {_label(exercise)}\n\n**{exercise.title}{stop}**{gap}{exercise.text}"


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"


def _link(chapter: Chapter) -> str:
    return f"[{chapter.number} {chapter.title}]({chapter.name}.ipynb)"


def colab_link(repository: str, path: str) -> str:
    return f"https://colab.research.google.com/github/{repository.removeprefix('https://github.com/')}/blob/main/{path}"


def _notebook(cells: Sequence[Cell | Shown], name: str) -> NotebookNode:
    made, seen = [], {}
    for cell in cells:
        executed = {}
        if isinstance(cell, Shown):
            executed = {"executed": cell.executed} if cell.executed != cell.shown else {}
            cell = Cell("code", cell.shown)
        count = seen[cell] = seen.get(cell, 0) + 1  # two cells with the same text still have an id each
        digest = hashlib.sha256(f"{name}\0{cell.kind}\0{cell.text}\0{count}".encode()).hexdigest()[:12]
        new = new_markdown_cell if cell.kind == "markdown" else new_code_cell
        made.append(new(cell.text, id=digest, metadata=executed))
    return new_notebook(cells=made, metadata=METADATA)
