"""Answers to an exercise, each tried after the cells that stand above it, which are run once for a whole chapter.

Each answer has a process of its own, forked after the chapter's setup: what it spoils, no other sees, and it can be
stopped. Where processes cannot be forked, everything is run anew for each.
"""

import contextlib
import gc
import io
import os
import pickle
import signal
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from builder.source import Chapter, Exercise

SECONDS = 120


class Outcome(NamedTuple):
    """What came of an answer: the names of the exception's classes, the nearest first, its text, what was printed."""

    errors: tuple[str, ...]
    said: str
    printed: str


def attempt(chapter: Chapter, exercise: Exercise, answer: str, cells: Sequence[str] = ()) -> Outcome:
    """The exercise's notebook with `answer` in the place of the learner's. cells: IPython's `In`."""
    line = f'check.exercise("{chapter.number}.{chapter.exercises.index(exercise) + 1}")'
    texts = (*exercise.given, answer, line)
    if not hasattr(os, "fork"):
        return _run(_after.__wrapped__(tuple(chapter.setup)), texts, cells)
    namespace = _after(tuple(chapter.setup))
    reading, writing = os.pipe()
    gc.freeze()  # what is there already is not looked through by the child, which would copy the memory that it lies in
    if not (child := os.fork()):
        try:
            signal.alarm(SECONDS)
            with open(writing, "wb") as file:
                pickle.dump(_run(namespace, texts, cells), file)
        finally:
            os._exit(0)
    gc.unfreeze()
    os.close(writing)
    with open(reading, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    return pickle.loads(told) if told else Outcome(("TimeoutError",), f"it takes more than {SECONDS} s", "")


@lru_cache(1)  # one chapter's models and pictures are enough at a time
def _after(setup: tuple[str, ...]) -> dict:
    """The names that a notebook knows after these cells."""
    namespace: dict = {"__name__": "__main__"}
    for text in setup:
        exec(compile(text, "<setup>", "exec"), namespace)
    return namespace


def _run(namespace: dict, texts: Sequence[str], cells: Sequence[str]) -> Outcome:
    namespace["In"] = list(cells)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            for text in texts:
                exec(compile(text, "<cell>", "exec"), namespace)
        except Exception as error:
            return Outcome(tuple(kind.__name__ for kind in type(error).__mro__), str(error), printed.getvalue())
    return Outcome((), "", printed.getvalue())
