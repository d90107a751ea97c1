"""A notebook's cells, run by IPython in a process of its own: forked from one that has loaded NumPy and Matplotlib.

A kernel, which starts with nothing, takes two seconds longer. minivit itself is loaded anew here, so that what a
chapter does not import, it does not have. Where processes cannot be forked, a kernel runs the notebook.
"""

import contextlib
import io
import os
import pickle
import sys
import traceback
import warnings
from pathlib import Path

from builder.execute import execute, pictures
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure  # loaded once, for all
from nbformat import NotebookNode
from PIL import Image
from traitlets.config import Config

COMPILING = "minivit: compiling with "  # which is said where the cache of kernels is empty


def pictures_of(notebook: NotebookNode, folder: Path) -> int:
    """Run every cell in `folder` with MINIVIT_FAST=1, and count the pictures. AssertionError where a cell raises or
    writes to stderr."""
    if not hasattr(os, "fork"):
        return len(pictures(execute(notebook, folder, fast=True)))
    cells = [cell.metadata.get("executed", cell.source) for cell in notebook.cells if cell.cell_type == "code"]
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            with open(writing, "wb") as file:
                pickle.dump(_run(cells, folder), file)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as file:
        told = file.read()
    os.waitpid(child, 0)
    assert told, "the process has ended in the middle of a cell"
    count, wrong = pickle.loads(told)
    assert not wrong, wrong
    return count


def _run(cells: list[str], folder: Path) -> tuple[int, str]:
    """How many pictures were shown, and what went wrong."""
    os.chdir(folder)
    os.environ["MINIVIT_FAST"] = "1"
    for name in [name for name in sys.modules if name.partition(".")[0] == "minivit"]:
        del sys.modules[name]
    _warn_as_a_kernel_does()
    _paint_little()
    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.display_pub = CapturingDisplayPublisher()
    shell.display_trap.hook = CapturingDisplayHook(shell, shell.display_pub.outputs)
    for number, cell in enumerate(cells, 1):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            result = shell.run_cell(cell, store_history=True)
        if error := result.error_before_exec or result.error_in_exec:
            return 0, "".join([f"cell {number}:\n{cell}\n", *traceback.format_exception(error)])
        if told := [line for line in said.getvalue().splitlines() if not line.startswith(COMPILING)]:
            return 0, "\n".join([f"cell {number} writes to stderr:", *told, "in", cell])
    return sum("image/png" in output["data"] for output in shell.display_pub.outputs), ""


def _paint_little() -> None:
    """Pictures are drawn whole and counted, but in few pixels. How they look, and how their few colours are chosen, is
    tested with minivit.draw, and takes long."""
    paint = Figure.savefig
    Figure.savefig = lambda figure, file, **options: paint(figure, file, **options | {"dpi": 40})
    Image.Image.quantize = lambda image, *args, **options: image.convert("P")


def _warn_as_a_kernel_does() -> None:
    """pytest collects warnings, and shows more of them."""
    warnings.resetwarnings()
    for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", kind)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")
    warnings.showwarning = lambda *about, **how: sys.stderr.write(warnings.formatwarning(*about[:4]))
