"""Freed memory is kept: malloc's settings for a program that makes and frees the same large arrays all the time.

glibc gives a large array's pages back to the system when it is freed, and the next one gets fresh pages, each zeroed at
its first touch: 4,000 to 25,000 page faults in a training step, of small models a quarter of its time (see
benchmarks/faults.py).
"""

import contextlib
import ctypes

TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # the names of mallopt's settings in malloc.h
NEVER = -1
LARGEST = 2**25  # bytes: glibc takes larger arrays from the system, whatever it is told


def keep_freed_memory() -> None:
    """For the rest of this process, malloc keeps what is freed, up to the most that was ever in use.

    Call it before threads start. It costs nothing else. Where the C library is not glibc, it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no such function, or (Windows) no such library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(ARENA_MAX, 1)  # threads share one heap; one of their own would be given back with the thread
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, NEVER)
