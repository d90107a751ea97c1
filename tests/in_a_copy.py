"""pytest in a process of its own, with a copy of the package: forked from one that has loaded NumPy and pytest already,
which takes half of the time that a new interpreter needs. Nothing here imports minivit: the copy must be the first."""

import gc
import multiprocessing
import os
import sys
from multiprocessing.context import ForkServerContext
from pathlib import Path

TESTS = Path(__file__).parent
OPTIONS = ("-x", "--tb=short", "--assert=plain", "-pno:cacheprovider", "-pplanted_guard")
OPTIONS += ("-pno:unraisableexception", "-pno:threadexception")  # which look through the whole memory at the end
PRELOAD = ["numpy", "numpy.testing", "numpy.random", "numpy.polynomial"]
PRELOAD += ["pytest", "pdb", "threadpoolctl", "unittest.mock"]
PRELOAD += ["PIL.Image", "matplotlib.figure", "scipy.optimize"]  # what one in five loads takes longest


def context() -> ForkServerContext:
    chosen = multiprocessing.get_context("forkserver")
    chosen.set_forkserver_preload(PRELOAD)
    return chosen


def run_pytest(folder: str, work: str, nodes: list[str]) -> None:
    """What the process does: it ends with pytest's exit status, and has written all that it said to output.txt."""
    gc.disable()  # it ends before it would pay
    os.chdir(work)
    file = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONPATH=folder, PYTHONDONTWRITEBYTECODE="1", PYTEST_ADDOPTS="")
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # those of other packages
    os.environ.update(PYTHONIOENCODING="utf-8", OPENBLAS_NUM_THREADS="1")
    import pytest

    try:
        status = int(pytest.main([*OPTIONS, "--basetemp=temporary", *nodes]))
    except SystemExit as ending:  # the guard's
        status = ending.code if isinstance(ending.code, int) else 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run_in_copy(folder: Path, work: Path, tests: list[str]) -> tuple[int, str]:
    """Tests of this folder, with the package that `folder` holds and in `work`: the exit status (0 where they pass, 1
    where one fails, else more), and what was printed."""
    nodes = [str(TESTS / test) for test in tests]
    process = context().Process(target=run_pytest, args=(str(folder), str(work), nodes))
    process.start()
    process.join()
    return process.exitcode, (work / "output.txt").read_text(encoding="utf-8", errors="replace")
