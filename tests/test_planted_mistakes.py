"""Who checks the checks? Each of these mistakes, planted by itself, must be caught by an ordinary test of this folder.

Most of them train all the same: the loss goes down, and the model is a little worse than it should be. Each is one
textual replacement in a copy of the package, on which the test that should notice is then run. They are listed in
planted_mistakes.py, and of layers, devices, training and the family in files beside it.
"""

import compileall
import contextlib
import os
import re
import shutil
from pathlib import Path

import pytest
from in_a_copy import run_in_copy
from planted import PLANTED
from planted_mistakes import TIMM

import minivit
from minivit.devices.launch import KERNELS

PACKAGE = Path(minivit.__file__).parent

# pytest loads this before any test: what is tested must be the copy.
GUARD = """
import sys
from pathlib import Path
import minivit
if Path(minivit.__file__).parents[1] != Path(__file__).parent:
    sys.stderr.write(f"tested {minivit.__file__}, not the copy")
    raise SystemExit(99)
"""


@pytest.fixture(scope="session")
def copied(tmp_path_factory):
    """A copy of the package, for one mistake after the other. Compiled, since what runs in it writes no bytecode: that
    of a mistake would be taken for the next one's, of the same length and second."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "minivit", ignore=shutil.ignore_patterns("*.gz"))
    shutil.copytree(KERNELS, folder / "minivit" / "kernels", dirs_exist_ok=True)  # where a wheel has them
    (folder / "planted_guard.py").write_text(GUARD)
    compileall.compile_dir(folder, quiet=1)
    return folder


@contextlib.contextmanager
def planted(path, right, wrong):
    """While this holds, the file says `wrong`."""
    source, times = path.read_text(encoding="utf-8"), path.stat()
    assert source.count(right) == 1, f"{path.name} does not say {right!r} once (any more): plant this mistake anew"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(source, encoding="utf-8")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # those that the bytecode knows


@pytest.mark.parametrize(("file", "test", "right", "wrong"), [m[1:] for m in PLANTED], ids=[m[0] for m in PLANTED])
def test_a_planted_mistake_is_caught(file, test, right, wrong, copied, tmp_path):
    with planted(copied / "minivit" / file, right, wrong):
        status, said = run_in_copy(copied, tmp_path, [test])
    assert status == 1, f"{test} did not notice\n{said}"
    judged = re.search("^E +(AssertionError|assert |Failed: DID NOT RAISE)", said, re.MULTILINE)
    assert judged, f"it breaks, instead of failing:\n{said}"


def test_without_a_mistake_these_tests_pass(copied, tmp_path):
    """Every eighth of them: it is the copy that is tried here, since the suite itself has them all."""
    status, said = run_in_copy(copied, tmp_path, sorted({test for _, _, test, _, _ in PLANTED})[::8])
    assert status == 0, said


def test_the_guard_refuses_a_package_that_is_not_the_copy(tmp_path):
    (tmp_path / "planted_guard.py").write_text(GUARD)  # and nothing was copied
    status, said = run_in_copy(tmp_path, tmp_path, [TIMM])
    assert status > 1, said
