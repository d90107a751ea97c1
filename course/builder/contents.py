"""tutorials/README.md: the map of the course, made from the chapters' headers and first pictures."""

from collections.abc import Sequence

from .notebooks import colab_link
from .source import Chapter

PARTS = {
    "00": "Pixels to tokens",
    "05": "The block, both directions",
    "12": "Training, and looking inside",
    "16": "The family",
    "22b": "CUDA, with or without a GPU",
    "30": "Side roads",
}


def contents(chapters: Sequence[Chapter], alts: dict[str, str], repository: str) -> str:
    """The text of tutorials/README.md; `alts` has the alternative text of each chapter's picture."""
    exercises = sum(len(chapter.exercises) for chapter in chapters)
    hours = round(sum(chapter.minutes for chapter in chapters) / 60)
    more = round(sum(_exercise_minutes(chapter) for chapter in chapters) / 60)
    lines = [HEAD.format(chapters=len(chapters), exercises=exercises, hours=hours, more=more)]
    for chapter in chapters:
        part = next(name for first, name in reversed(PARTS.items()) if chapter.number >= first)
        if f"## {part}" not in lines:
            lines += [f"## {part}", ""]
        needs = ", ".join(chapter.needs) or "nothing"
        links = (
            f"[exercises](exercises/{chapter.name}.ipynb) · "
            f"[Colab]({colab_link(repository, f'tutorials/{chapter.name}.ipynb')})"
        )
        lines += [
            f"### [{chapter.number} · {chapter.title}]({chapter.name}.ipynb)",
            "",
            chapter.sentence,
            "",
            f'<img src="../course/pictures/{chapter.name}.png" width="720" alt="{_attribute(alts[chapter.name])}">',
            "",
            f"{chapter.minutes} minutes, exercises {_exercise_minutes(chapter)} · after {needs} · {links}",
            "",
        ]
    return "\n".join(lines) + TAIL


def _exercise_minutes(chapter: Chapter) -> int:
    return sum(exercise.minutes for exercise in chapter.exercises)


def _attribute(text: str) -> str:
    """What would end an attribute stands for itself."""
    return text.replace('"', "&quot;")


HEAD = """\
# The tutorials

<!-- Made by course/build.py from the headers in course/src: change it there. -->

From a pixel to a fused attention kernel: {chapters} chapters, about {hours} hours to read, and {exercises} exercises,
about {more} more. Each chapter is a notebook that was executed from top to bottom, so you can read it here, with its
pictures, and run nothing. Each has a second notebook with exercises: predict, build, break, go further; a check says
what is wrong, and why it probably is.

Everything runs offline, on real digits that ship with minivit, and without a GPU: the chapters on CUDA compile and
check kernels on your CPU. From the project's folder:

```sh
pip install -e ".[notebooks]" && jupyter lab tutorials
```

The chapters form one line; numbers that are missing belong to chapters to come.
"""

TAIL = """
## How they are made

A chapter is one Python file in [`course/src`](../course/src); `python course/build.py 01` makes both notebooks and the
picture of chapter 01 from it, and executes it (`pip install -e ".[test]"`).
[`builder/source.py`](../course/builder/source.py) says what a source may contain. The tests execute every chapter, and
show of every exercise that its check fails before it is solved, passes with the solution, and refuses wrong answers,
which are named in the source.
"""
