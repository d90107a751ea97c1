"""What moves while a run is on its way: in a terminal and in a notebook, and never in a file or a pipe."""

import dataclasses
import io
import re
import sys

import numpy as np
import pytest

from minivit import ViT
from minivit.train import Trainer, fit, loop
from minivit.train.evaluation import evaluate
from minivit.train.progress import Progress
from minivit.train.recipes import PRESETS


class Terminal(io.StringIO):
    def isatty(self):
        return True


OutStream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})  # a notebook's, by its name


@pytest.fixture
def short(monkeypatch, digits):
    """A run of two epochs of 8 steps, with no pause between two moves: what it writes to a stream."""
    config, recipe = PRESETS["quick"]
    recipe = dataclasses.replace(recipe, epochs=2, batch_size=10)

    def run(stream):
        monkeypatch.setattr(sys, "stdout", stream)
        made = Progress.__init__

        def hurried(self, *args, **options):
            made(self, *args, **options)
            self.pause = -1.0  # seconds

        monkeypatch.setattr(Progress, "__init__", hurried)
        monkeypatch.setattr(loop, "is_silent", lambda *_: False)  # so short a run has learned nothing
        trainer = Trainer(ViT(config), digits.train_images[:80], digits.train_labels[:80], recipe)
        fit(trainer, digits.test_images[:50], digits.test_labels[:50], parallel="threads")
        return stream.getvalue()

    return run


@pytest.mark.parametrize("stream", [Terminal, OutStream])
def test_a_line_moves_within_an_epoch(short, stream):
    text = short(stream())
    moves = text.split("\r")
    for epoch in (1, 2):
        assert sum(f"epoch {epoch}/2  step " in move for move in moves) == (9 if epoch == 1 else 8)
    assert re.search(r"epoch 2/2  step 3/8  loss \d\.\d{4}  [\d,]+ images/s  0:\d\d left", text)
    assert "epoch 1/2  step 0/8 " in text and "nan" not in text
    assert "looking at test images  50/50" in text
    stays = [line.split("\r")[-1] for line in text.strip().split("\n")]
    assert [line[:20] for line in stays] == ["epoch 1/2  train loss"[:20], "epoch 2/2  train loss"[:20]]
    assert all(len(move.rstrip("\n")) <= 100 for move in moves)


def test_a_file_or_a_pipe_gets_the_lines_that_stay(short):
    text = short(io.StringIO())
    assert "\r" not in text and "step" not in text and len(text.splitlines()) == 2


def test_a_closed_output_is_no_mistake(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    Progress(3).line("nobody hears this")


def test_a_terminal_is_not_flooded():
    stream = Terminal()
    show = Progress(1000, stream=stream, epochs=2)
    for step in range(1, 1001):
        show.moving(step, 1.0, 5.0)
    assert 1 <= stream.getvalue().count("\r") < 50


def test_every_test_image_is_counted_once(digits):
    model, seen = ViT(PRESETS["quick"][0]), []
    evaluate(model, digits.test_images[:200], digits.test_labels[:200], workers=2, looked=seen.append)
    assert sum(seen) == 200
    quiet = evaluate(model, digits.test_images[:200], digits.test_labels[:200], workers=2)
    assert np.isfinite(quiet[0])
