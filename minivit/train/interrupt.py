"""Ctrl-C, heard but not obeyed at once: an update that is half done would spoil the checkpoint."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], bool]]:
    """Within, Ctrl-C only makes the yielded function return True; a second Ctrl-C interrupts as usual.

    Only the main thread can hear signals; in another one the function stays False and nothing is changed. Nor is it
    where the signal is ignored, as a shell has it for what runs in its background and nohup for what outlives it.
    """
    requested = threading.Event()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        yield requested.is_set
        return

    def on_interrupt(*_: object) -> None:
        requested.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield requested.is_set
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)  # None: set by a program that embeds Python
