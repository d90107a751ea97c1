"""What the command line and the checks say of words, numbers and names that they cannot use."""

import pytest

from minivit.__main__ import main


def refused(words, capsys):
    """What is said of the words: the sentence, and the line that leads to the help, where argparse has refused them."""
    try:
        assert main(words) == 2
    except SystemExit as ending:
        assert ending.code == 2
    sentence, *lines = capsys.readouterr().err.splitlines()
    return sentence, lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["detect", "x.png", "--sure", "high"], "argument --sure: it is 'high', expected a score in [0, 1]"),
        (["detect", "x.png", "--sure", "nan"], "argument --sure: it is 'nan', expected a score in [0, 1]"),
        (["detect", "x.png", "--sure", "1.5"], "argument --sure: it is '1.5', expected a score in [0, 1]"),
        (["kernels", "--sm", "80", "abc"], "argument --sm: it is 'abc', expected a whole number"),
        (["train", "--channels", "grey"], "argument --channels: it is 'grey', expected one of '1', '3'"),
        (["live", "--port", "high"], "argument --port: it is 'high', expected a port, 0 … 65535"),
    ],
)
def test_a_value_that_is_no_number_is_told_with_what_is_expected(words, message, capsys):
    assert refused(words, capsys)[0] == f"minivit: {message}"
