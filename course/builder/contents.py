"""tutorials/README.md: the map of the course and its chapters, from their headers and first pictures."""

from collections.abc import Sequence

from .course_map import PARTS, by_part, in_words
from .notebooks import colab_link
from .source import Chapter


def contents(chapters: Sequence[Chapter], alts: dict[str, str], repository: str) -> str:
    """The text of tutorials/README.md; `alts` has the alternative text of each chapter's picture."""
    exercises = sum(len(chapter.exercises) for chapter in chapters)
    hours = round(sum(chapter.minutes for chapter in chapters) / 60)
    more = round(sum(_exercise_minutes(chapter) for chapter in chapters) / 60)
    totals = {"chapters": len(chapters), "exercises": exercises, "hours": hours, "more": more}
    lines = [HEAD.format(**totals, words=_attribute(in_words(chapters)))]
    for part, there in by_part(chapters).items():
        lines += [f"## {part}. {PARTS[part]}", ""]
        for chapter in there:
            lines += _entry(chapter, alts[chapter.name], repository)
    return "\n".join(lines) + TAIL


def _entry(chapter: Chapter, alt: str, repository: str) -> list[str]:
    links = (
        f"[exercises](exercises/{chapter.name}.ipynb) · "
        f"[Colab]({colab_link(repository, f'tutorials/{chapter.name}.ipynb')})"
    )
    return [
        f"### [{chapter.number} · {chapter.title}]({chapter.name}.ipynb)",
        "",
        chapter.sentence,
        "",
        f'<img src="../course/pictures/{chapter.name}.png" width="720" alt="{_attribute(alt)}">',
        "",
        f"{chapter.minutes} minutes, exercises {_exercise_minutes(chapter)} · "
        f"after {', '.join(chapter.needs) or 'nothing'} · {links}",
        "",
    ]


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

An arrow leads from a chapter to one that needs it. The main line, filled and solid, takes you to a trained ViT that
you can look into (14), and to a fused attention kernel (25). Side roads, hollow and dashed, can wait.
The numbers 28 and 29 are not used: after 27, part D goes on with 30.

<picture>
  <source media="(prefers-color-scheme: dark)" srcset="../course/map_dark.png">
  <img src="../course/map_light.png" width="420" alt="{words}">
</picture>
"""

TAIL = """
## How they are made

A chapter is one Python file in [`course/src`](../course/src); `python course/build.py 01` makes both notebooks and the
picture of chapter 01 from it, and executes it (`pip install -e ".[test]"`).
[`builder/source.py`](../course/builder/source.py) says what a source may contain. The tests execute every chapter, and
show of every exercise that its check fails before it is solved, passes with the solution, and refuses wrong answers,
which are named in the source.
"""
