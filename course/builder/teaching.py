"""docs/teaching.md: a road for teachers, made from the chapters: what each is for, its minutes, two schedules."""

import re
from collections.abc import Sequence

from .source import Chapter

SIX = {
    "Pixels to tokens": ("00", "01", "02"),
    "Positions, and backpropagation": ("04", "05"),
    "LayerNorm and attention": ("06", "07"),
    "Many heads, and the MLP": ("08", "09"),
    "The block, and the whole": ("10", "11"),
    "Training, and looking inside; the project": ("12", "13", "14"),
}
TWELVE = {
    "A trained ViT, and patches": ("00", "01"),
    "Embedding and positions": ("02", "03", "04"),
    "Backpropagation": ("05",),
    "LayerNorm": ("06",),
    "Attention": ("07",),
    "Many heads, and the MLP": ("08", "09"),
    "The block, and the whole": ("10", "11"),
    "Training": ("12", "13"),
    "Looking inside; the project begins": ("14", "15"),
    "A GPU, and a kernel": ("22b", "23"),
    "Threads that work together": ("24",),
    "Fused attention; the project is shown": ("25",),
}
GOALS = re.compile(r"## What you can do now\n+((?:- .*\n(?:  .*\n)*)+)")


def teaching(chapters: Sequence[Chapter]) -> str:
    """The text of docs/teaching.md. Chapters of the schedules that are not there yet are left out."""
    goals = "\n".join(f"| {_link(chapter)} | {_minutes(chapter)} | {_goals(chapter)} |" for chapter in chapters)
    return PAGE.format(goals=goals, six=_schedule(SIX, chapters), twelve=_schedule(TWELVE, chapters))


def _schedule(weeks: dict[str, tuple[str, ...]], chapters: Sequence[Chapter]) -> str:
    rows = []
    for week, (name, numbers) in enumerate(weeks.items(), 1):
        there = [chapter for chapter in chapters if chapter.number in numbers]
        reading = sum(chapter.minutes for chapter in there)
        exercises = sum(exercise.minutes for chapter in there for exercise in chapter.exercises)
        links = ", ".join(f"[{c.number}](../tutorials/{c.name}.ipynb)" for c in there)
        rows.append(f"| {week} | {name} | {links} | {_hours(reading)} | {_hours(exercises)} |")
    return "\n".join(rows)


def _goals(chapter: Chapter) -> str:
    for cell in reversed(chapter.after):
        if found := GOALS.search(cell.text + "\n"):
            return " ".join(re.sub(r"^- ", "", found[1], flags=re.MULTILINE).split())
    raise ValueError(f"{chapter.name} has no list under the heading `What you can do now`")


def _minutes(chapter: Chapter) -> str:
    return f"{chapter.minutes} + {sum(exercise.minutes for exercise in chapter.exercises)}"


def _link(chapter: Chapter) -> str:
    return f"[{chapter.number} {chapter.title}](../tutorials/{chapter.name}.ipynb)"


def _hours(minutes: int) -> str:
    return f"{minutes / 60:.1f} h"


PAGE = """\
# For teachers

<!-- Made by course/build.py from the chapters in course/src and course/builder/teaching.py: change it there. -->

Back to the [README](../README.md). The [tutorials](../tutorials/README.md) are a course: each chapter is read in an
hour or two, its exercises take about as long again, and a check says what is wrong with an answer. Nothing is needed
but a laptop: no GPU, no network after the installation. Students need Python with NumPy, matrix products and the
chain rule.

## What each chapter is for

Afterwards a reader can do what stands in the last column. Minutes are for reading with pencil and paper, and for the
exercises.

| chapter | minutes | and then you can |
|---|---|---|
{goals}

## Six weeks

The forward and the backward of a ViT, and its training: the main line of the [map](../tutorials/README.md) as far as
chapter 14. Choose two or three exercises a chapter: one to build, one to mend.

| week | | chapters | reading | all exercises |
|---|---|---|---|---|
{six}

## Twelve weeks

All of that with every exercise, two side roads (03, 15), and the main line's kernels in CUDA, on the emulator. The
other side roads are for those who are ahead.

| week | | chapters | reading | all exercises |
|---|---|---|---|---|
{twelve}

## To be marked

The exercises in `tutorials/exercises` have their solutions folded under them. Without them, with hints and points,
after `pip install -e ".[notebooks]"`:

```sh
python course/graded.py sheets                 # all chapters, into the folder sheets
python course/graded.py sheets 05 07           # these
python course/graded.py --mark handed_in/*.ipynb
```

`--mark` runs each notebook that was handed in, from top to bottom, in a kernel of its own, and prints a line for
each: a check that passes gives the exercise's points, as many as it has stars. It runs what students wrote, with your
rights: use a container. It does not notice who changed `check` itself, or copied: talk about one answer with each.

A predict exercise is for the lesson: everybody writes down a number, then the cell is run. "Break it" is good for
pairs: one reads, one types. The checks name mistakes after an attempt, so let them fail first.

## The project

A ViT on pictures of the students' own, in two or three weeks, in groups of two.

1. Take some hundred pictures in two to five classes, a folder each; set a test part aside before anything else.
2. `python -m minivit train FOLDER` trains a first model. What does a classifier reach that always says the commonest
   class?
3. Change one thing, three seeds each: the patch size, the depth, the augmentation, or published weights that are
   fine-tuned ([models](models.md)). Say beforehand what you expect, and plot the mean with its spread.
4. Look inside (chapter 14): where does it look when it is wrong?
5. Two pages and ten minutes: the question, the figure, and what was not as expected.

Marks, in thirds: a clean comparison (the test part untouched, seeds, one change at a time); an explanation from the
chapters, with its formula; honesty about what did not work.
"""
