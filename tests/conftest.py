"""One BLAS thread in each test process: the matrices are tiny, and pytest-xdist already uses every core.

And which files are slow: `-m "not slow"` leaves them out, and with them three quarters of the time.
"""

import dataclasses
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the processes that tests start

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from minivit.data import Dataset

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it for what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # here, and in the processes that tests start

LIMIT = threadpool_limits(1, user_api="blas")

SLOW = (
    "devices",  # kernels, compiled and run at many sizes
    # Kernels and programs, compiled one by one.
    "test_build.py",
    "test_draw_requests.py",
    "test_judges.py",
    "test_kernel_set.py",
    "test_limits.py",
    "test_programs.py",
    "test_public_kernels.py",
    "test_tensor_cores.py",
    "test_zoo.py",
    # A process for each.
    "test_exercises.py",
    "test_graded.py",
    "test_notebooks.py",
    "test_planted_mistakes.py",
    "test_typing.py",
    # Models are trained, most of them from the command line.
    "test_architectures.py",
    "test_command_line.py",
    "test_detector.py",
    "test_loop.py",
    "test_ranks.py",
    "test_teacher.py",
    "test_terminal.py",
    # Many gradients, and many photographs.
    "test_detector_gradients.py",
    "test_photographs.py",
    # A browser, by hand.
    "test_exported_page.py",
    "test_notebook.py",
    "test_page.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {item.path.name, item.path.parent.name} & {*SLOW}:
            item.add_marker("slow")


@pytest.fixture
def unpainted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pictures that a training leaves behind are made, and their files left empty, where a test is of something
    else: to paint them takes longer than a short training."""
    for module in ("report", "detectors"):
        monkeypatch.setattr(f"minivit.inspect.{module}.save_figure", lambda figure, path: Path(path).touch())


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> "Dataset":
    """256 to train and 40 to test are all that there are."""
    import minivit
    from minivit.train import mnist

    digits = minivit.load_mnist()
    parts = {"train_images": 256, "train_labels": 256, "test_images": 40, "test_labels": 40}
    few = dataclasses.replace(digits, **{name: getattr(digits, name)[:count] for name, count in parts.items()})
    for module in (minivit, mnist):
        monkeypatch.setattr(module, "load_mnist", lambda *args, **options: few)
    return few
