"""The other end of worker.py: starts that process, hands it launches, and survives whatever happens to it."""

import atexit
import os
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path

from ..errors import LaunchError
from .worker import Reply, Request

START = "import sys; sys.path[:] = {path!r}; from minivit.emulator.trace.worker import main; main()"
PATIENCE = 120  # seconds by the clock, beyond the launch's own of computing, after which the process is ended from here

_lock = threading.Lock()
_worker: subprocess.Popen | None = None
_owner = 0  # the process that started it: a fork of that one must leave it alone


def carry_out(request: Request) -> Reply:
    """Have the launch carried out in the other process, which stays for the next one."""
    with _lock:
        worker = _started()
        timer = threading.Timer(request.seconds + PATIENCE, worker.kill)
        timer.start()
        try:
            pickle.dump(request, worker.stdin)
            worker.stdin.flush()
            reply = pickle.load(worker.stdout)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError) as error:
            raise LaunchError(_last_words(worker)) from error
        except BaseException:  # interrupted: its answer would come to the next request
            stop()
            raise
        finally:
            timer.cancel()
        if reply.spoiled:
            stop()
        return reply


def _started() -> subprocess.Popen:
    global _worker, _owner
    if _worker is None or _owner != os.getpid() or _worker.poll() is not None:
        _owner = os.getpid()
        # The same modules as here; the current folder is not among them, whatever its files are called.
        path = [*filter(None, sys.path), str(Path(__file__).parents[3])]
        _worker = subprocess.Popen(
            [sys.executable, "-c", START.format(path=path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the reader's process; this one ends with it
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )
    return _worker


@atexit.register
def stop() -> None:
    """End the other process; the next launch starts a new one."""
    global _worker
    worker, _worker = _worker, None
    if worker is not None and _owner == os.getpid():
        worker.kill()
        worker.communicate()


def _last_words(worker: subprocess.Popen) -> str:
    stop()
    code = worker.returncode
    if code is not None and code < 0:
        how = signal.Signals(-code).name
        return f"the process that ran the kernel was ended by {how}: the kernel ruined its memory, or ran too long"
    return f"the process that runs kernels ended with exit status {code}; what it wrote is above"
