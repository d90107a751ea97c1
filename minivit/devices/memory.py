"""Freed memory is kept: malloc's settings for a program that makes and frees the same large arrays all the time.

glibc gives a large array's pages back to the system when it is freed, and the next one gets fresh pages, each zeroed at
its first touch: 4,000 to 25,000 page faults in a training step, of small models a quarter of its time (see
benchmarks/faults.py). Pages of 2 MB in place of 4 KB make what is left of that, and every look-up of an address, rarer.
"""

import contextlib
import ctypes

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD, ARENA_MAX = -1, -2, -3, -8  # the names of mallopt's settings in malloc.h
NEVER = -1
LARGEST = 2**25  # bytes: glibc takes larger arrays from the system, whatever it is told
ROOM = 2**30  # bytes of addresses by which the heap grows at first; none of them is memory before it is touched
HUGE_PAGE, MADV_HUGEPAGE = 2**21, 14  # bytes on x86-64; the advice's name in Linux's mman.h


def keep_freed_memory() -> None:
    """For the rest of this process, malloc keeps what is freed, up to the most that was ever in use.

    Call it before threads start. It costs up to 5 MB more. Where the C library is not glibc, it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):  # no such function, or (Windows) no such library
        libc = ctypes.CDLL(None)
        libc.mallopt(ARENA_MAX, 1)  # threads share one heap; one of their own would be given back with the thread
        libc.mallopt(MMAP_THRESHOLD, LARGEST)
        libc.mallopt(TRIM_THRESHOLD, NEVER)
        _advise_huge_pages(libc)


def _advise_huge_pages(libc: ctypes.CDLL) -> None:
    """For the heap's next ROOM bytes, which it gets here. Linux may refuse: then nothing is changed."""
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    first = LARGEST // 2  # more than malloc has at hand, so the heap grows by it and ROOM
    libc.mallopt(TOP_PAD, ROOM)
    array = libc.malloc(ctypes.c_size_t(first))
    libc.mallopt(TOP_PAD, 0)  # from here on by no more than what is asked for: addresses may be limited, too
    if array is None:  # so they are
        return
    libc.free(ctypes.c_void_p(array))
    end = libc.sbrk(ctypes.c_ssize_t(0))
    start = (end - ROOM - first) // HUGE_PAGE * HUGE_PAGE + HUGE_PAGE
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_HUGEPAGE)
