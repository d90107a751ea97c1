"""One BLAS thread in each test process: the matrices are tiny, and pytest-xdist already uses every core.

And which files are slow: `-m "not slow"` leaves them out, and with them more than half of the time.
"""

import os
import signal

import pytest

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the processes that tests start

from threadpoolctl import threadpool_limits

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell ignores it for what runs in its background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # here, and in the processes that tests start

LIMIT = threadpool_limits(1, user_api="blas")

SLOW = (
    "test_planted_mistakes.py",  # a process for each
    "test_notebooks.py",
    "test_exercises.py",
    # Many kernels, compiled and run at many sizes; some run in other tests, too.
    "test_attention_kernels.py",
    "test_attention_launches.py",
    "test_benchmark.py",
    "test_cross_attention_kernels.py",
    "test_gpu_day.py",
    "test_kernels_checked.py",
    "test_kernels_traced.py",
    "test_layernorm_kernels.py",
    "test_static.py",
    "test_swin_gradients.py",  # thousands of numbers, each by four forwards
    "test_masked_gradients.py",
    "test_page.py",  # a browser, by hand
    "test_notebook.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.name in SLOW:
            item.add_marker("slow")
