"""What the command line and the checks say of words, numbers and names that they cannot use."""

import pytest

from minivit import check
from minivit.__main__ import main
from minivit.train.detector import DATA


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
        (
            ["eval", "--model", "m.npz", "--device", "gpu"],
            "argument --device: it is 'gpu', expected one of 'cpu', 'cuda', 'emulator'; did you mean 'cuda'?",
        ),
        (["live", "--port", "high"], "argument --port: it is 'high', expected a port, 0 … 65535"),
    ],
)
def test_a_value_that_is_none_is_told_with_what_is_expected(words, message, capsys):
    assert refused(words, capsys)[0] == f"minivit: {message}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["data", "x"], "data takes no more words; left over: x"),
        (["data", "download"], "data takes no more words; left over: download; did you mean --download?"),
        (["predict", "a", "b", "c"], "predict takes no more words; left over: b c"),
        (["train", "pictures", "quick", "--seed", "1"], "train takes no more words; left over: quick"),
        (["check", "-x"], "unrecognized arguments: -x"),
        (["data", "--downlod", "x"], "unrecognized arguments: --downlod; did you mean --download?"),
        (["kernel", "add.cu", "-x"], "unrecognized arguments: -x"),
    ],
)
def test_what_is_left_over_leads_to_the_help_of_its_command(words, message, capsys):
    sentence, lines = refused(words, capsys)
    assert sentence == f"minivit: {message}"
    assert lines == [f"python -m minivit {words[0]} --help tells what can be given"]


def test_an_option_before_the_command_leads_to_the_help_of_all(capsys):
    sentence, lines = refused(["--versoin", "data"], capsys)
    assert sentence == "minivit: unrecognized arguments: --versoin; did you mean --version?"
    assert lines == ["python -m minivit --help tells what can be given"]


@pytest.mark.parametrize("name", ["21", "21.", "21.9", "21.01"])
def test_a_chapter_without_this_exercise_says_which_it_has(name):
    with pytest.raises(ValueError) as told:
        check.exercise(name)
    assert str(told.value) == f"there is no exercise {name!r}: chapter 21 has '21.1', '21.2', '21.3', '21.4'"


@pytest.mark.parametrize("name", ["99.1", "7.2", ""])
def test_where_there_is_no_such_chapter_the_chapters_are_told(name):
    with pytest.raises(ValueError) as told:
        check.exercise(name)
    assert str(told.value).startswith(f"there is no exercise {name!r}: the chapters are 00, 01, 02, ")
    assert ", 22, 22b, 23, " in str(told.value) and len(str(told.value)) < 250


@pytest.mark.parametrize(("name", "meant"), [(21.1, "21.1"), (7.2, "07.2"), (21, "21.1"), (None, "21.1")])
def test_the_name_of_an_exercise_belongs_in_quotes(name, meant):
    with pytest.raises(TypeError) as told:
        check.exercise(name)
    assert str(told.value) == f"the exercise is {name}, expected its name, in quotes, such as '{meant}'"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "full", "--resume", "c.npz"], "c.npz is resumed as it was begun: leave out the recipe full"),
        (
            ["train", "full", "--resume", "c.npz", "--epochs", "3", "--seed", "0"],
            "c.npz is resumed as it was begun: leave out the recipe full, --seed, --epochs",
        ),
        (
            ["train", "--pretrain", "mae", "--resume", "c.npz", "--seed", "1"],
            "c.npz is resumed as it was begun: leave out --seed",
        ),
        (
            ["train", "quick", "--architecture", "swin"],
            "quick is a recipe of the ViT: leave out quick, or --architecture",
        ),
    ],
)
def test_what_does_not_go_together_is_told_as_it_was_typed(words, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.npz").write_bytes(b"no checkpoint: what was typed is looked at first")
    assert refused(words, capsys) == (f"minivit: {message}", [])


def test_a_detectors_run_has_a_seed_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("minivit.train.detector.read_checkpoint", lambda path: {"data": DATA})
    assert main(["train", "--resume", "c.npz", "--seed", "1"]) == 2
    assert capsys.readouterr().err == "minivit: c.npz is resumed as it was begun: leave out --seed\n"
