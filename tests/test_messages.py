"""What is said to people is short, guesses what was meant, and is written in letters that a terminal has."""

import errno
import io
import sys

import pytest

from minivit import check
from minivit.messages import brief, choices, in_words, near, say, short


def test_a_name_that_was_meant():
    assert near("Quik", ("quick", "default", "full")) == "quick"
    assert near("cifar", ("digits", "full")) is None and near(3, ("digits",)) is None
    assert near("GPU", ("cpu", "cuda", "emulator")) == "cuda" and near("gpu", ("cpu",)) == "cpu"
    assert choices("ful", ("digits", "full")) == "expected one of 'digits', 'full'; did you mean 'full'?"
    assert choices("x", ("threads", "processes"), "or None") == "expected one of 'threads', 'processes', or None"


@pytest.mark.parametrize("value", ["-" * 21_000, 10**400, -(10**4000), list(range(10**5)), b"\0" * 10**6, "é" * 5000])
def test_nobody_reads_a_whole_file_in_an_error(value):
    assert len(short(value)) < 200
    assert len(brief(f"it is {'x' * 21_000}, expected a number")) < 120


def test_a_short_value_is_told_whole():
    assert short(0.5) == "0.5" and short("full") == "'full'" and short(10**20) == "1" + 20 * "0"
    assert brief("the file /a/b does not exist") == "the file /a/b does not exist"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_letters_that_a_terminal_has(encoding):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    say("max|Δ| 1e-9 ≤ 1e-7 … 中", stream)
    said = raw.getvalue().decode(encoding).rstrip()
    expected = {"utf-8": "max|Δ| 1e-9 ≤ 1e-7 … 中", "cp1252": "max|error| 1e-9 <= 1e-7 … ?"}
    assert said == expected.get(encoding, "max|error| 1e-9 <= 1e-7 ... ?")


def test_what_the_system_says_is_a_sentence():
    for number in range(1, 134):
        if number in errno.errorcode:
            said = in_words(OSError(number, "Something else", "a.npz"))
            assert "[Errno" not in said and said[0].islower() and (number == errno.EMFILE or len(said) > 12)
    assert in_words(FileNotFoundError(errno.ENOENT, "No such file or directory", "a.npz")) == "a.npz does not exist"
    assert "disk is full" in in_words(OSError(errno.ENOSPC, "No space left on device"))
    assert in_words(OSError("no mirror served it")) == "no mirror served it"


def test_the_checks_speak_to_any_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True))
    ok = True
    try:
        check.close([1.0], [1.0], "x")
    except UnicodeEncodeError:
        ok = False
    said = sys.stdout.buffer.getvalue()
    assert ok and said.startswith(b"x  max|error| 0.0e+00")
