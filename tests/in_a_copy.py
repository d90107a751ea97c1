"""pytest in a process of its own, with a copy of the package: forked from one that has loaded NumPy and pytest already,
which takes half of the time that a new interpreter needs. Nothing here imports minivit: the copy must be the first."""

import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

OPTIONS = ("-x", "--tb=short", "--assert=plain", "-pno:cacheprovider", "-pno:xdist", "-pplanted_guard")


def context() -> ForkServerContext:
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(["numpy", "numpy.testing", "pytest"])
    return chosen


def run_pytest(folder: str, nodes: list[str], output: str) -> None:
    """What the process does: it ends with pytest's exit status, and has written all that it said to `output`."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    os.chdir(folder)
    sys.path.insert(0, folder)
    os.environ.update(PYTHONPATH=folder, PYTEST_ADDOPTS="", PYTHONIOENCODING="utf-8", OPENBLAS_NUM_THREADS="1")
    import pytest

    try:
        status = int(pytest.main([*OPTIONS, *nodes]))
    except SystemExit as ending:  # the guard's
        status = ending.code if isinstance(ending.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_in_copy(folder: Path, nodes: list[str]) -> tuple[int, str]:
    """The exit status, and what was printed."""
    output = folder / "output.txt"
    process = context().Process(target=run_pytest, args=(str(folder), nodes, str(output)))
    process.start()
    process.join()
    return process.exitcode, output.read_text(encoding="utf-8", errors="replace")
