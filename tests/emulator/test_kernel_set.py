"""The kernels and programs of set/, after what people post: each right one is silent, and what is wrong is named.

`python benchmarks/kernel_set.py` has every file and mistake; here a sample of files, each as it is and with one of its
mistakes: to compile all of them takes minutes.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import kernel_set as kernels

FILES = {path.name: kernels.cases(path) for path in sorted(kernels.SET.glob("*.cu"))}
SAMPLE = list(FILES)[::5]


@pytest.mark.parametrize("file", SAMPLE)
def test_a_right_one_is_silent_and_a_mistake_is_named(file):
    right, *wrong = FILES[file]
    known = {row["digest"]: row["verdict"] for row in kernels.read_rows()}
    wrong = [case for case in wrong if known.get(case.digest) == "named"]
    assert wrong, f"{file} has no mistake"
    assert kernels.verdict_of(right) == "silent"
    chosen = wrong[len(file) % len(wrong)]
    assert kernels.verdict_of(chosen) == "named", chosen.title


def test_every_case_has_its_row():
    """A changed file needs `python benchmarks/kernel_set.py` once more."""
    rows = {row["digest"]: row["verdict"] for row in kernels.read_rows()}
    due = {case.digest: case for case in kernels.every_case()}
    assert set(rows) == set(due)
    wrong = [rows[digest] == "named" for digest, case in due.items() if case.kind]
    assert all(rows[digest] == "silent" for digest, case in due.items() if not case.kind)
    assert sum(wrong) >= 0.98 * len(wrong)
    assert len(FILES) >= 60


def test_how_a_mistake_is_written(tmp_path):
    text = (
        "a = 1;\n//- race @use\n//= out of bounds @use: a = 2;\n//= array index @own: a = 3;  //@own\nb = a;  //@use\n"
    )
    path = tmp_path / "x.cu"
    path.write_text(text)
    right, gone, other, own = kernels.cases(path)
    assert right.source == "a = 1;\n\n\n\nb = a;  //@use\n" and right.kind == ""
    assert (gone.kind, gone.line, gone.named, gone.source[:2]) == ("race", 1, {5}, "\n\n")
    assert (other.kind, other.named, other.source[:7]) == ("out of bounds", {5}, "a = 2;\n")
    assert (own.kind, own.named) == ("array index", {1})
    path.write_text("a = 1;\n//- race @nowhere\n")
    with pytest.raises(ValueError, match=r"x\.cu:2: no line ends in //@nowhere"):
        kernels.cases(path)
