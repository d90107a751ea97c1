"""Exercises to be handed in: notebooks without hints and solutions, and what came back, judged by the same checks.

python course/assignments.py make FOLDER          of all chapters
python course/assignments.py make FOLDER 07 08    of these
python course/assignments.py grade HANDED_IN …    a table: who solved what; --csv FILE for a spreadsheet

To grade runs the cells of whoever handed them in, with your rights: do it where that does no harm, in a container or a
virtual machine. And a check is a help, not a guard: who wants to cheat it can.
"""

import argparse
import contextlib
import csv
import re
import sys
from pathlib import Path

import nbformat
from build import read_chapters, repository
from builder.notebooks import exercise_notebook, write
from builder.source import Chapter
from nbclient import NotebookClient
from nbclient.exceptions import DeadKernelError

from minivit.files import atomic_write

CHECK = re.compile(r'^check\.exercise\("(\d\d\w?\.\d+)"\)', re.MULTILINE)
SECONDS = 120  # for a cell


def make(folder: Path, chapters: list[Chapter]) -> None:
    for chapter in chapters:
        with atomic_write(folder / f"{chapter.name}.ipynb") as file:
            file.write(write(exercise_notebook(chapter, repository(), solutions=False)).encode())
        print(f"wrote {folder / chapter.name}.ipynb: {len(chapter.exercises)} exercises")


def grade(path: Path, chapters: list[Chapter]) -> dict[str, str]:
    """By exercise: "solved", "wrong", or "missing" where its check was taken out. Raises ValueError for a notebook in
    which there is none, OSError for one that cannot be read."""
    try:
        notebook = nbformat.read(path, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is no notebook: {str(error).splitlines()[0]}") from None
    checks = {}
    for cell in notebook.cells:
        if cell.cell_type == "code" and (found := CHECK.search(cell.source)):
            cell.source = found[0]  # the check alone, whatever else was written into its cell
            checks[found[1]] = cell
    if not checks:
        raise ValueError(f"{path} has no exercise: expected a notebook that `make` wrote")
    client = NotebookClient(notebook, timeout=SECONDS, interrupt_on_timeout=True, allow_errors=True)
    with contextlib.suppress(DeadKernelError):  # a cell has ended its own process: those after it have no output
        client.execute()
    number = next(iter(checks)).partition(".")[0]
    count = next(len(chapter.exercises) for chapter in chapters if chapter.number == number)
    return {name: _judged(checks.get(name)) for name in (f"{number}.{i}" for i in range(1, count + 1))}


def _judged(cell: nbformat.NotebookNode | None) -> str:
    if cell is None:
        return "missing"
    failed = any(output.output_type == "error" for output in cell.outputs)
    return "wrong" if failed or not cell.outputs else "solved"  # a check that is well says so


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="write notebooks to be solved")
    making.add_argument("folder", type=Path)
    making.add_argument("chapters", nargs="*", metavar="NN", help="their numbers; all without any")
    grading = commands.add_parser("grade", help="judge notebooks that were handed in")
    grading.add_argument("notebooks", nargs="+", type=Path)
    grading.add_argument("--csv", type=Path, metavar="FILE", help="write the table here, too")
    args = parser.parse_args()
    chapters = read_chapters()
    if args.command == "make":
        known = [chapter.number for chapter in chapters]
        if strangers := sorted(set(args.chapters) - set(known)):
            parser.error(f"no chapter {', '.join(strangers)}, expected some of {', '.join(known)}")
        make(args.folder, [c for c in chapters if not args.chapters or c.number in args.chapters])
        return
    rows, unread = [], 0
    for path in args.notebooks:
        try:
            found = grade(path, chapters)
        except (ValueError, OSError) as error:
            print(error, file=sys.stderr)
            unread += 1
            continue
        rows += [(str(path), name, verdict) for name, verdict in found.items()]
        solved = sum(verdict == "solved" for verdict in found.values())
        others = ", ".join(f"{name} {verdict}" for name, verdict in found.items() if verdict != "solved")
        print(f"{path}: {solved} of {len(found)} solved" + (f"; {others}" if others else ""), flush=True)
    if args.csv:
        with open(args.csv, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("notebook", "exercise", "verdict"), *rows])
    sys.exit(2 if unread else 0)


if __name__ == "__main__":
    main()
