"""Build the tutorials: from course/src/NN_name.py the executed chapter, its exercises, the contents and the map.

python course/build.py              all of them
python course/build.py 01 05        these, and the table of contents
python course/build.py --fast 01    with MINIVIT_FAST=1: a trial, into no file
python course/build.py --words 01   its words have changed, its code has not: nothing is executed
"""

import argparse
import base64
import functools
import json
import re
import sys
import time
from pathlib import Path

COURSE = Path(__file__).resolve().parent
TUTORIALS = COURSE.parent / "tutorials"  # what is read
ALTS = COURSE.parent / "minivit" / "draw" / "alts"
sys.path.insert(0, str(COURSE))

import nbformat  # noqa: E402
from builder.alts import alt_texts  # noqa: E402
from builder.contents import contents  # noqa: E402
from builder.course_map import course_map  # noqa: E402
from builder.execute import NotebookError, execute, largest, pictures  # noqa: E402
from builder.notebooks import chapter_notebook, exercise_checks, exercise_notebook, write  # noqa: E402
from builder.source import Chapter, read_chapter  # noqa: E402
from builder.teaching import teaching  # noqa: E402
from builder.words import with_outputs  # noqa: E402

from minivit.files import atomic_write  # noqa: E402


@functools.cache
def read_chapters() -> list[Chapter]:
    """All, as they were when they were first asked for."""
    return [read_chapter(path) for path in sorted((COURSE / "src").glob("[0-9][0-9]*_*.py"))]


def repository() -> str:
    """The one address of the project, from pyproject.toml."""
    project = (COURSE.parent / "pyproject.toml").read_text(encoding="utf-8")
    return re.search(r'^Repository = "(.+)"$', project, re.MULTILINE)[1]


def build(chapter: Chapter, chapters: list[Chapter], words: bool = False) -> None:
    """Write the chapter, executed, its exercises, their checks, its picture and the words for its pictures.

    words: it keeps the outputs that it has.
    """
    notebook = chapter_notebook(chapter, chapters, repository())
    if words:
        before = nbformat.read(TUTORIALS / f"{chapter.name}.ipynb", as_version=4)
        alts_before = json.loads((ALTS / f"{chapter.name}.json").read_text(encoding="utf-8"))
        notebook = with_outputs(notebook, before, json.loads(alt_texts(chapter)), alts_before)
    else:
        notebook = execute(notebook, TUTORIALS)
    text = write(notebook)
    if len(text.encode()) > (allowed := largest(notebook)):
        raise NotebookError(f"{chapter.name}.ipynb would have {len(text.encode()):,} bytes, allowed are {allowed:,}")
    if not pictures(notebook):
        raise NotebookError(f"{chapter.name} has no picture")
    save(f"../course/pictures/{chapter.name}.png", base64.b64decode(pictures(notebook)[0][1]))
    save(f"exercises/{chapter.name}.ipynb", write(exercise_notebook(chapter, repository())).encode())
    save(f"../minivit/draw/alts/{chapter.name}.json", alt_texts(chapter).encode())
    save(f"../minivit/check/exercises/{chapter.name}.json", exercise_checks(chapter).encode())
    save(f"{chapter.name}.ipynb", text.encode())


def save(path: str, content: bytes) -> None:
    (TUTORIALS / path).parent.mkdir(exist_ok=True)
    with atomic_write(TUTORIALS / path) as file:
        file.write(content)


def built(chapters: list[Chapter]) -> list[Chapter]:
    """Those whose notebooks are there."""
    return [chapter for chapter in chapters if (TUTORIALS / f"{chapter.name}.ipynb").exists()]


def built_contents(chapters: list[Chapter]) -> str:
    """tutorials/README.md, from the chapters that are built."""
    there = built(chapters)
    alts = {c.name: pictures(nbformat.read(TUTORIALS / f"{c.name}.ipynb", as_version=4))[0][0] for c in there}
    return contents(there, alts, repository())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chapters", nargs="*", metavar="NN", help="their numbers; all without any")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--fast", action="store_true", help="execute with MINIVIT_FAST=1 and write nothing")
    how.add_argument(
        "--words", action="store_true", help="execute nothing: keep the outputs, where no code has changed"
    )
    args = parser.parse_args()
    chapters = read_chapters()
    numbers = [chapter.number for chapter in chapters]
    if strangers := set(args.chapters) - set(numbers):
        parser.error(f"no chapter {', '.join(sorted(strangers))}, expected some of {', '.join(numbers)}")
    for chapter in chapters:
        if not args.chapters or chapter.number in args.chapters:
            start = time.perf_counter()
            if args.fast:
                execute(chapter_notebook(chapter, chapters, repository()), TUTORIALS, fast=True)
            else:
                build(chapter, chapters, args.words)
            print(f"{chapter.name}: {time.perf_counter() - start:.0f} s", flush=True)
    if not args.fast:
        save("README.md", built_contents(chapters).encode())
        save("../course/map_light.png", course_map(built(chapters)))
        save("../course/map_dark.png", course_map(built(chapters), dark=True))
        save("../docs/teaching.md", teaching(chapters).encode())


if __name__ == "__main__":
    main()
