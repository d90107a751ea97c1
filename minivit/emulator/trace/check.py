"""kernel.check: run a kernel under the eyes of the checker."""

from collections.abc import Sequence
from dataclasses import dataclass

from .findings import Finding
from .launch import SECONDS, TracedKernel, launch_traced
from .traced import CHECK


@dataclass(frozen=True)
class CheckReport:
    """What the checker found: `findings`, and `ok` where there is nothing. print(report) shows all of it."""

    launch: str
    findings: list[Finding]

    @property
    def ok(self) -> bool:
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok  # so that `assert kernel.check(...)` means what it says

    def __str__(self) -> str:
        if self.ok:
            return f"{self.launch}: nothing wrong was found"
        mistakes = "1 mistake" if len(self.findings) == 1 else f"{len(self.findings)} mistakes"
        return "\n".join([f"{self.launch}: {mistakes}", *map(str, self.findings)])


def check(
    kernel: TracedKernel,
    grid: int | tuple,
    block: int | tuple,
    *args: object,
    shared: int = 0,
    outputs: Sequence[str] | None = None,
    seconds: int = SECONDS,
    order: int = 0,
) -> CheckReport:
    """Run a kernel in a process of its own and look for mistakes. The arrays stay as they are.

    outputs names the arrays that the kernel is to fill: what they hold before means nothing, so it must not be read,
    and every element must be written. If it is not given, these are the arrays that come filled with NaN.
    seconds: how long it may take. order: as in a plain launch; that a race is found does not depend on it, but which
    of its pairs of lines are named may.
    """
    launched = launch_traced(kernel, grid, block, args, shared, CHECK, outputs, seconds, order)
    return CheckReport(launched.title, launched.findings())
