"""How a step tells what it found: a line for each thing that it looked at, FAIL where it is not as it should be."""

import time
from collections.abc import Callable

import numpy as np

failures: list[str] = []


def say(ok: bool, what: str, detail: str = "") -> None:
    print(f"{'ok  ' if ok else 'FAIL'} {what}{': ' + detail if detail else ''}", flush=True)
    if not ok:
        failures.append(what)


def attempt(what: str, work: Callable[[], str | None]) -> None:
    """Say what `work` returns, or what it raises; what comes after goes on."""
    began = time.perf_counter()
    try:
        ok, detail = True, work() or ""
    except Exception as error:  # whatever a GPU says for the first time: it is written down, and the next is tried
        ok, detail = False, f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    say(ok, what, f"{detail}{', ' if detail else ''}{time.perf_counter() - began:.1f} s")


def expect(error: float, bound: float, what: str) -> None:
    """Raise AssertionError where the error is larger, or NaN."""
    if not error <= bound:
        raise AssertionError(f"{what}: off by {error:.1e}, allowed {bound:.0e}")


def worst(got: np.ndarray, expected: np.ndarray) -> float:
    """The largest error, as a part of the largest number; NaN where there is one."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    return float(np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30))
