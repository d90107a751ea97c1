"""A chapter's source: a Python file in the percent format, with a header, plain cells, and exercises.

    # ---                                   the header, YAML
    # title: Patchify
    # question: How does a picture become a sequence?
    # minutes: 30
    # needs: [0]
    # gpu: of no use
    # sentence: What the reader gets, for the table of contents.
    # ---

A cell's first line, `# %% …`, may name its role in key="value" form:

    role="setup"              a plain cell that the exercises need too: it is repeated at the top of their notebook
    exercise="Title" kind="build" stars=2 minutes=10     on a markdown cell: an exercise begins here
    role="given"              code that the exercise shows
    role="broken"             what the learner finds in place of the solution, to be mended
    role="solution"           the lines between `YOUR TURN` and `END`, comments of their own, are the learner's to write
    role="check"              the cell that judges
    role="wrong"              a dict of wrong answers, by name: (text in the solution, what it becomes, what the check
                              must say); with "" for the first, the second replaces the whole solution
    role="hint"               on a markdown cell

The exercises stand together, before the closing cells. Without `YOUR TURN` or a broken cell the whole solution is
the learner's.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
import yaml

KINDS = {"predict": "Predict", "build": "Build", "break": "Break it", "further": "Go further"}
HEADER = {"title", "question", "sentence", "minutes", "needs", "gpu"}
MARKED = re.compile(r"^([ \t]*)(#|//) YOUR TURN\n(.*?)^[ \t]*\2 END(?:\n|\Z)", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^[ \t]*(?:#|//) (?:YOUR TURN|END)[ \t]*$", re.MULTILINE)
FOR_THE_FORMATTER = re.compile(r"  # fmt: \w+$", re.MULTILINE)  # nothing that a reader wants to see
ASSIGNED = re.compile(r"^([a-z_][a-z_0-9]*) = .*$", re.MULTILINE | re.IGNORECASE)


class SourceError(ValueError):
    """A chapter's source does not follow the format; the message says where and how to mend it."""


@dataclass(frozen=True)
class Cell:
    """A cell of a notebook: kind is "markdown" or "code"."""

    kind: str
    text: str


@dataclass
class Exercise:
    """One exercise: what it asks, what it shows, its solution, its check, and wrong answers that the check refuses."""

    title: str
    kind: str
    stars: int
    minutes: int
    text: str
    given: list[str] = field(default_factory=list)
    broken: str | None = None
    solution: str = ""
    check: str = ""
    hint: str = ""
    wrong: dict[str, tuple[str, str, str]] = field(default_factory=dict)

    @property
    def stub(self) -> str:
        """What the learner starts from."""
        if self.broken is not None:
            return self.broken
        if not MARKED.search(self.solution):
            return self._unsolved(self.solution, "", "#").rstrip("\n")
        return MARKED.sub(lambda m: self._unsolved(m[3], m[1], m[2]), self.solution).rstrip("\n")

    @property
    def solved(self) -> str:
        """The solution, without the marks."""
        return MARKED.sub(lambda m: m[3], self.solution).rstrip("\n")

    def wrongly_solved(self) -> dict[str, tuple[str, str]]:
        """By name: the solution with a mistake, and what the check must say to it."""
        answers = {}
        for name, (right, wrong, said) in self.wrong.items():
            if self.solved.count(right) != 1 and right:
                raise SourceError(f"{self.title}: {right!r} stands {self.solved.count(right)} times in the solution")
            answers[name] = (self.solved.replace(right, wrong) if right else wrong), said
        return answers

    def _unsolved(self, lines: str, indent: str, comment: str) -> str:
        count = sum(1 for line in lines.splitlines() if line.strip() and not line.strip().startswith(comment))
        turn = f"your turn: about {count} line{'s' * (count != 1)}"
        if comment == "//":
            return f"{indent}// {turn}\n"
        names = ASSIGNED.findall(lines)
        if self.kind == "predict" and len(names) == count:
            return "".join(f"{name} = ...  # your answer\n" for name in names)
        return f'{indent}raise NotImplementedError("{turn}")\n'


@dataclass(frozen=True)
class Chapter:
    """A chapter's source, taken apart."""

    name: str  # 01_patchify, or 22b_what_a_gpu_is, which comes between 22 and 23
    title: str
    question: str
    sentence: str
    minutes: int
    needs: tuple[str, ...]  # numbers, as they stand in the names: 05, 22b
    gpu: str
    before: list[Cell]  # what is read before the exercises, and after them
    after: list[Cell]
    setup: list[str]
    exercises: list[Exercise]

    @property
    def number(self) -> str:
        return self.name.partition("_")[0]


def read_chapter(path: Path) -> Chapter:
    """Parse course/src/NN_name.py. Raises SourceError where it does not follow the format."""
    header, body = _split_header(path)
    chapter = Chapter(
        name=path.stem, **header | {"needs": _numbers(header["needs"])}, before=[], after=[], setup=[], exercises=[]
    )
    for cell in jupytext.reads(body, fmt="py:percent").cells:
        role, text = cell.metadata.get("role"), FOR_THE_FORMATTER.sub("", cell.source)
        if "exercise" in cell.metadata:
            chapter.exercises.append(_exercise(path, cell.metadata, text))
        elif role in (None, "setup"):
            (chapter.after if chapter.exercises else chapter.before).append(Cell(cell.cell_type, text))
            if role == "setup":
                chapter.setup.append(text)
        elif not chapter.exercises:
            raise SourceError(f'{path.name}: a cell with role="{role}" stands before the first exercise')
        else:
            _add(path, chapter.exercises[-1], role, text)
    for exercise in chapter.exercises:
        _check_whole(path, exercise)
    return chapter


def _split_header(path: Path) -> tuple[dict, str]:
    text = path.read_text(encoding="utf-8")
    match = re.match(r"# ---\n((?:#.*\n)+?)# ---\n", text)
    if not match:
        raise SourceError(f"{path.name} does not begin with a header between two lines `# ---`")
    header = yaml.safe_load(re.sub(r"^# ?", "", match[1], flags=re.MULTILINE))
    if set(header) != HEADER:
        raise SourceError(f"{path.name}: the header has {sorted(header)}, expected {sorted(HEADER)}")
    return header, text[match.end() :].lstrip()


def _numbers(needs: list[int | str]) -> tuple[str, ...]:
    """[5, "22b"] -> ("05", "22b")."""
    return tuple(f"{number:02}" if isinstance(number, int) else number for number in needs)


def _exercise(path: Path, metadata: dict, text: str) -> Exercise:
    kind = metadata.get("kind")
    if kind not in KINDS or not {"stars", "minutes"} <= set(metadata) or metadata["stars"] not in (1, 2, 3):
        raise SourceError(
            f"{path.name}: {metadata['exercise']!r} needs kind= one of {', '.join(KINDS)}, stars= 1 to 3, minutes="
        )
    return Exercise(metadata["exercise"], kind, metadata["stars"], metadata["minutes"], text)


def _add(path: Path, exercise: Exercise, role: str, text: str) -> None:
    if role == "given":
        exercise.given.append(text)
    elif role == "wrong":
        exercise.wrong.update(ast.literal_eval(text))
    elif role in ("broken", "solution", "check", "hint"):
        if getattr(exercise, role):
            raise SourceError(f"{path.name}: {exercise.title!r} has two cells with role={role!r}")
        setattr(exercise, role, text)
    else:
        raise SourceError(f"{path.name}: no such role: {role!r}")


def _check_whole(path: Path, exercise: Exercise) -> None:
    missing = [part for part in ("solution", "check", "hint", "wrong") if not getattr(exercise, part)]
    if missing:
        raise SourceError(f"{path.name}: {exercise.title!r} has no cell with role={' or '.join(missing)}")
    if MARK.search(exercise.solved):  # what is to be written would be shown
        raise SourceError(
            f"{path.name}: {exercise.title!r} has a `YOUR TURN` without its `END`, or the other way round"
        )
