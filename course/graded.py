"""Exercises to be marked: sheets without solutions, and points for what was handed in.

python course/graded.py FOLDER              every chapter's exercises, with hints and points, without solutions
python course/graded.py FOLDER 05 07        these chapters'
python course/graded.py --mark A.ipynb …    run each notebook, and count the points of the checks that pass
"""

import argparse
import os
import re
import sys
from pathlib import Path

try:
    import nbformat
    from nbclient import NotebookClient
    from nbformat import NotebookNode
except ModuleNotFoundError as error:
    sys.exit(f'{error.name} is missing, which reads or runs notebooks: pip install -e ".[notebooks]"')

from build import TUTORIALS, read_chapters, repository
from builder.execute import QUIET
from builder.notebooks import exercise_notebook, write
from builder.source import Chapter

CHECK = re.compile(r'check\.exercise\("(\w+)\.(\d+)"\)')
SECONDS = 300  # a cell


def points(notebook: NotebookNode, chapters: list[Chapter]) -> dict[str, tuple[int, int]]:
    """Run it, whatever fails. Of each exercise that it checks, the points reached, and those that there are."""
    known = {chapter.number: chapter for chapter in chapters}
    NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(TUTORIALS)}},
        extra_arguments=["--log-level=ERROR"],
    ).execute(env=os.environ | QUIET)
    found = {}
    for cell in notebook.cells:
        match = CHECK.fullmatch(cell.source.strip()) if cell.cell_type == "code" else None
        if match and match[1] in known and int(match[2]) <= len(known[match[1]].exercises):
            stars = known[match[1]].exercises[int(match[2]) - 1].stars
            passed = bool(cell.outputs) and all(output.output_type != "error" for output in cell.outputs)
            found[f"{match[1]}.{match[2]}"] = stars * passed, stars
    return found


def handed_in(path: Path) -> NotebookNode:
    """A notebook as it was handed in. SystemExit, in words, where it is none."""
    try:
        return nbformat.read(path, as_version=4)
    except OSError as error:
        sys.exit(f"{path}: {error.strerror}")
    except (ValueError, nbformat.ValidationError):  # no text, no JSON, or JSON of something else
        sys.exit(f"{path} is not a notebook")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="where the sheets go")
    parser.add_argument("chapters", nargs="*", metavar="NN", help="their numbers; all without any")
    parser.add_argument("--mark", nargs="+", type=Path, metavar="NOTEBOOK", help="notebooks that were handed in")
    args = parser.parse_args()
    chapters = read_chapters()
    if args.mark:
        for path in args.mark:
            found = points(handed_in(path), chapters)
            each = ", ".join(f"{name}: {reached}/{there}" for name, (reached, there) in found.items())
            total, most = (sum(both[i] for both in found.values()) for i in (0, 1))
            print(f"{path.name}: {total} of {most} points ({each})", flush=True)
        return
    numbers = [chapter.number for chapter in chapters]
    if args.folder is None or (strangers := set(args.chapters) - set(numbers)):
        parser.error(
            f"no chapter {', '.join(sorted(strangers))}, expected some of {', '.join(numbers)}"
            if args.folder
            else "a folder for the sheets is needed, or --mark and notebooks"
        )
    args.folder.mkdir(parents=True, exist_ok=True)
    for chapter in chapters:
        if not args.chapters or chapter.number in args.chapters:
            sheet = write(exercise_notebook(chapter, repository(), graded=True))
            (args.folder / f"{chapter.name}.ipynb").write_text(sheet, encoding="utf-8")
    print(f"{len(args.chapters or numbers)} sheets in {args.folder}", file=sys.stderr)


if __name__ == "__main__":
    main()
