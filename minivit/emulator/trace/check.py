"""kernel.check: run a kernel under the eyes of the checker."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .findings import Finding
from .launch import SECONDS, TracedKernel, launch_traced
from .traced import CHECK


@dataclass(frozen=True)
class CheckReport:
    """What the checker found: `findings`, and `ok` where there is nothing. print(report) shows all of it.

    remarks: what was not checked because nobody has said that an array is an output.
    """

    launch: str
    findings: list[Finding]
    remarks: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok  # so that `assert kernel.check(...)` means what it says

    def __str__(self) -> str:
        number = len(self.findings)
        found = f"{number} mistake{'s' * (number != 1)}" if number else "nothing wrong was found"
        remarks = (f"remark: {remark.message}\n    {remark.mend}" for remark in self.remarks)
        return "\n".join([f"{self.launch}: {found}", *map(str, self.findings), *remarks])


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
    and every element must be written. If it is not given, these are the arrays that come filled with NaN; of others
    that look like outputs and were written in part the report has a remark.
    seconds: of computing that it may take. order: as in a plain launch; that a race is found does not depend on it,
    but which of its pairs of lines are named may. A kernel that calls __threadfence() is run in several orders of its
    blocks.
    """
    launched = launch_traced(kernel, grid, block, args, shared, CHECK, outputs, seconds, order)
    return CheckReport(launched.title, launched.findings(), launched.remarks())
