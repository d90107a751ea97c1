"""A built library in this process: a ctypes.CDLL and how its functions are called."""

import ctypes
import functools
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from .errors import EmulatorError

_ONE_LAUNCH_AT_A_TIME = threading.RLock()


class Library:
    """A library that build_library made. Kernels are called by their number in it."""

    def __init__(self, path: Path):
        self.path = path
        try:
            self._c = ctypes.CDLL(str(path))
        except OSError as error:
            raise EmulatorError(
                f"the system does not load a compiled kernel from {path.parent} ({error}): may code there be run "
                "(noexec)? Let MINIVIT_CACHE name another folder."
            ) from error
        self._limit = 0.0
        self._c.emulator_launch_kernel.restype = ctypes.c_bool
        self._c.emulator_interrupted.restype = ctypes.c_bool
        self._c.emulator_static_shared.restype = ctypes.c_ulong
        self._c.emulator_new_stacks.restype = ctypes.c_void_p
        for function in (self._c.emulator_message, self._c.emulator_printed, self._c.emulator_signature):
            function.restype = ctypes.c_char_p

    def signature(self, kernel: int) -> tuple[str, ...]:
        """The kernel's parameter types, like ("f4*", "const f4*", "i4")."""
        text = self._c.emulator_signature(kernel).decode()
        return tuple(text.split(",")) if text else ()

    def static_shared(self) -> int:
        """Bytes of all shared variables with a fixed size, of all kernels in the library."""
        return self._c.emulator_static_shared()

    def launch(
        self,
        kernel: int,
        grid: tuple,
        block: tuple,
        pointers: np.ndarray,
        shared: int,
        order: int,
        seconds: float = 0.0,
    ) -> str | None:
        """Run a kernel on arguments that were checked. Returns what went wrong, or None. seconds: that it may compute;
        0 is no limit.

        Ctrl-C ends it with KeyboardInterrupt, where that is what Ctrl-C does: in the main thread, and not while a
        training run has put it off.
        """
        in_main_thread = threading.current_thread() is threading.main_thread()
        interruptible = in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        with _ONE_LAUNCH_AT_A_TIME:
            if seconds != self._limit:
                self._c.emulator_time_limit(ctypes.c_double(seconds))
                self._limit = seconds
            ok = self._c.emulator_launch_kernel(
                ctypes.c_int(kernel),
                (ctypes.c_uint * 3)(*grid),
                (ctypes.c_uint * 3)(*block),
                ctypes.c_uint(shared),
                pointers.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_uint(order),
                ctypes.c_void_p(_stacks(self)),
                ctypes.c_bool(interruptible),
            )
            interrupted = self._c.emulator_interrupted()
            message = self._c.emulator_message().decode(errors="replace")
            printed = self._c.emulator_printed().decode(errors="replace")
        if printed:
            sys.stdout.write(printed)
        if interrupted:
            raise KeyboardInterrupt
        return None if ok else message

    def __getattr__(self, name: str) -> object:
        """Other functions of the library, as ctypes gives them."""
        return getattr(self._c, name)


@functools.cache
def open_library(path: Path) -> Library:
    return Library(path)


_shared_stacks: list[int] = []


def _stacks(library: Library) -> int:
    """Memory for the threads' stacks, the same for every library: a process may have only so many pieces of memory."""
    if not _shared_stacks:
        address = library._c.emulator_new_stacks()
        if not address:
            raise EmulatorError("there is no room for the stacks of 1024 threads: 256 MiB of address space are needed")
        _shared_stacks.append(address)
    return _shared_stacks[0]
