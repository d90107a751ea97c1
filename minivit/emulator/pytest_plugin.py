"""For pytest: a line in conftest.py, and tests have a fixture `cuda`.

    pytest_plugins = ["minivit.emulator.pytest_plugin"]

    def test_add(cuda):
        cuda.check("add.cu")                                   # every launch that its comments tell, or its main()
        add = cuda.load("add.cu")["add"]
        cuda.compare(add, reference, [1000], launch)           # see emulator.compare

A test fails where something is found, and is an error where something could not be checked: no compiler, no launch.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from .checked import Options, check_file
from .compare import Comparison, compare
from .errors import EmulatorError
from .module import Kernel, Module, load


class Cuda:
    """What the fixture gives. Files are looked for beside the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, path: str, **options: object) -> Module:
        """The kernels of a file, as emulator.load gives them."""
        return load(self.folder / path, **options)

    def check(self, path: str, launch: str | None = None, **options: object) -> None:
        """As `python -m minivit kernel FILE [LAUNCH] --check`. options: those of minivit.emulator.checked.Options."""
        results = check_file(self.folder / path, launch, Options(**options))
        if failures := [result.failure for result in results if result.failure]:
            raise EmulatorError("\n".join(failures))
        if found := [str(result) for result in results if result.findings]:
            pytest.fail("\n".join(found), pytrace=False)

    def compare(
        self, kernel: Kernel, reference: Callable, sizes: Iterable[int | tuple], launch: Callable, **options: object
    ) -> Comparison:
        """emulator.compare, whose report is the test's message where it fails."""
        found = compare(kernel, reference, sizes, launch, **options)
        if not found:
            pytest.fail(str(found), pytrace=False)
        return found


@pytest.fixture
def cuda(request: pytest.FixtureRequest) -> Cuda:
    """Kernels checked and compared on the CPU; a file's name is relative to the test's folder."""
    return Cuda(request.path.parent)
