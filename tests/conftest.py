"""One BLAS thread in each test process: the matrices are tiny, and pytest-xdist already uses every core."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for the processes that tests start

from threadpoolctl import threadpool_limits

LIMIT = threadpool_limits(1, user_api="blas")
