"""train prints the command that opens the page, where there is something to draw for the model."""

import shlex
from types import SimpleNamespace

import pytest

from minivit import ViT, ViTConfig
from minivit.__main__ import main
from minivit.train import command


@pytest.mark.parametrize(("channels", "told"), [(1, True), (3, False)])
def test_train_says_how_to_open_the_page(channels, told, monkeypatch, tmp_path, capsys):
    model = ViT(ViTConfig(28, 7, channels, 10, 8, 1, 2))
    path = tmp_path / "a run" / "model.npz"
    done = SimpleNamespace(model=model, accuracy=0.5, files=[path])
    monkeypatch.setattr(command, "train_mnist", lambda *_, **__: done)
    assert main(["train", "quick", "--out", str(path.parent)]) == 0
    said = capsys.readouterr().out.splitlines()[-1]
    line = f"draw, and watch it think: python -m minivit live --model {shlex.quote(str(path))}"
    assert (said == line) == told
