"""Every command does what its help says, and a user's mistake is one clear line and exit status 2."""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minivit import ViT, ViTConfig, __version__, finetune, load_mnist, train_mnist
from minivit.__main__ import EXAMPLES, _parser, main
from minivit.data import imagenet_classes, preprocess, top_classes
from minivit.train import mnist, save_checkpoint
from minivit.weights import export_timm


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with everything that a short training wrote."""
    out = tmp_path_factory.mktemp("run")
    assert main(["train", "quick", "--epochs", "2", "--out", str(out)]) == 0
    return out


def test_train_writes_model_history_checkpoint_and_pictures(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {"model.npz", "history.json", "checkpoint.npz", "curves.png", "predictions.png"}
    assert names >= {"patch_filters.png", "position_similarity.png", "attention.png"}
    history = json.loads((run / "history.json").read_text())
    assert [record["epoch"] for record in history] == [1, 2]
    assert history[1]["train_loss"] < history[0]["train_loss"] and history[1]["test_accuracy"] > 0.3
    for path in run.glob("*.png"):
        with Image.open(path) as picture:
            assert min(picture.size) > 200


def test_eval_repeats_the_accuracy_of_the_training(run, capsys):
    accuracy = json.loads((run / "history.json").read_text())[-1]["test_accuracy"]
    for name in ("model.npz", "checkpoint.npz"):
        assert main(["eval", "--model", str(run / name)]) == 0
        assert f"accuracy {accuracy:.2%}" in capsys.readouterr().out


def test_predict_prints_probabilities_and_writes_the_attention(run, tmp_path, capsys):
    digits = load_mnist()
    model = ViT.load(run / "model.npz")
    probabilities = model.predict(digits.test_images)
    sure = int(probabilities.max(axis=1).argmax())
    picture, attention = tmp_path / "digit.png", tmp_path / "attention.png"
    Image.fromarray(digits.test_images[sure, ..., 0]).save(picture)
    assert main(["predict", str(picture), "--model", str(run / "model.npz"), "--out", str(attention)]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{picture}: {probabilities[sure].argmax()}\n")
    assert sum("%" in line for line in out.splitlines()) == 10
    with Image.open(attention) as drawn:
        assert min(drawn.size) > 100


def test_look_writes_a_page(run, tmp_path, capsys):
    digits = load_mnist()
    Image.fromarray(digits.test_images[0, ..., 0]).save(tmp_path / "digit.png")
    page = tmp_path / "page.png"
    assert main(["look", str(tmp_path / "digit.png"), "--model", str(run / "model.npz"), "--out", str(page)]) == 0
    assert capsys.readouterr().out == f"wrote {page}\n"
    with Image.open(page) as drawn:
        assert drawn.width == 1200 and drawn.height > 900


def test_a_photograph_is_named_by_a_model_of_imagenets_classes(tmp_path, capsys):
    config = ViTConfig(image_size=(32, 48), patch_size=16, width=8, depth=1, heads=2)
    model = ViT(config, init="fan_in")
    model.class_names = imagenet_classes()
    model.save(tmp_path / "own.npz")
    export_timm(model, tmp_path / "published.safetensors")
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 90, 3), np.uint8)).save(photo)
    (probabilities,) = model.predict(preprocess(photo, config)[None])
    best = top_classes(probabilities, 7)
    for file, options in (("own.npz", []), ("published.safetensors", ["--heads", "2"])):
        assert main(["predict", str(photo), "--model", str(tmp_path / file), "--top", "7", *options]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"{photo}: {best[0][1]}" and len(lines) == 8
        for line, (_, name, probability) in zip(lines[1:], best, strict=True):
            assert line.startswith(f"  {name} ") and f"{probability:.2%}" in line


def test_a_model_without_classes_is_only_looked_at(tmp_path, capsys):
    ViT(ViTConfig(image_size=32, patch_size=16, width=8, depth=1, heads=2, classes=0)).save(tmp_path / "m.npz")
    photo = tmp_path / "photo.png"
    Image.new("RGB", (40, 40), "red").save(photo)
    assert main(["predict", str(photo), "--model", str(tmp_path / "m.npz")]) == 2
    assert "no classes to predict" in capsys.readouterr().err
    assert main(["look", str(photo), "--model", str(tmp_path / "m.npz"), "--out", str(tmp_path / "page.svg")]) == 0
    assert b"<svg" in (tmp_path / "page.svg").read_bytes()


@pytest.mark.usefixtures("few_digits")
def test_resume_goes_on_where_a_run_stopped_and_equals_one_that_did_not(tmp_path):
    class Stop(Exception):
        pass

    def stop_at_epoch_1(trainer, *args, **kwargs):
        result = end_epoch(trainer, *args, **kwargs)
        if len(trainer.history) == 1:
            save_checkpoint(trainer, tmp_path / "checkpoint.npz")
            raise Stop
        return result

    end_epoch = mnist.Trainer.end_epoch
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(mnist.Trainer, "end_epoch", stop_at_epoch_1)
        train_mnist("quick", epochs=2, progress=False)
    resumed = train_mnist(resume=tmp_path / "checkpoint.npz", progress=False)
    whole = train_mnist("quick", epochs=2, progress=False).model
    assert all(np.array_equal(resumed.model.params[name], whole.params[name]) for name in whole.params)


def test_data_says_what_is_there(monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("MINIVIT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    assert main(["data"]) == 0
    out = capsys.readouterr().out
    assert "digits: complete" in out and "digits.npz" in out
    assert "full: the files of MNIST 'full' were not found" in out and "--download" in out


def test_check_proves_every_gradient_and_fails_when_one_is_wrong(monkeypatch, capsys):
    from minivit import ops
    from minivit.proof import detectors, masked_models, proof

    kind, config, sizes = detectors.DETECTORS["DETR, given map"]
    small = {"DETR, given map": (kind, dataclasses.replace(config, decoder_depth=1), sizes)}
    monkeypatch.setattr(detectors, "DETECTORS", small)
    monkeypatch.setattr(masked_models, "MAES", {})
    monkeypatch.setattr(masked_models, "BERTS", {"BERT, no pooler, tanh": masked_models.BERTS["BERT, no pooler, tanh"]})
    linear = proof.OPS["linear"]
    for name in ("OPS", "JOINTS"):  # each of which has a test of its own
        monkeypatch.setattr(proof, name, dict(list(getattr(proof, name).items())[::4]))
    monkeypatch.setattr(proof, "CONFIGS", {"no positions": proof.CONFIGS["no positions"]})
    monkeypatch.setattr(proof, "FAMILY", {"Swin, no head": proof.FAMILY["Swin, no head"]})
    assert main(["check"]) == 0
    assert "every gradient is right" in capsys.readouterr().out
    for name in ("CONFIGS", "FAMILY", "JOINTS"):
        monkeypatch.setattr(proof, name, {})
    monkeypatch.setattr(detectors, "DETECTORS", {})
    monkeypatch.setattr(masked_models, "BERTS", {})
    wrong = (ops.softmax_forward, lambda dy, p: dy * p, {"x": (2, 3)})
    monkeypatch.setattr(proof, "OPS", {"linear": linear, "softmax": wrong})
    assert main(["check"]) == 1
    out = capsys.readouterr().out
    assert "WRONG" in out and "softmax: x" in out and "every gradient is right" not in out
    assert main(["check", "LINE"]) == 0  # what has it in its name, and no more
    out = capsys.readouterr().out
    assert "linear" in out and "softmax" not in out and "joint" not in out
    assert main(["check", "linear", "softmix", "lineal"]) == 2  # before any work
    told = "minivit: nothing that is checked has 'softmix' or 'lineal' in its name; did you mean 'softmax'?\n"
    assert capsys.readouterr() == ("", told)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--data", "full"], "not found"),
        (["train", "--resume", "{model}", "--epochs", "3"], "leave out --epochs"),
        (["train", "--out", "{run}"], "is an earlier run's"),
        (["train", "--resume", "nothing.npz"], "nothing.npz"),
        (["eval", "--model", "nothing.npz"], "nothing.npz"),
        (["predict", "nothing.png", "--model", "{model}"], "nothing.png"),
        (["predict", "{model}", "--model", "{model}"], "model.npz"),
        (["look", "nothing.png", "--model", "{model}", "--out", "page.doc"], "page.doc ends in .doc, expected one of"),
        (["predict", "nothing.png", "--model", "{model}", "--out", "page.doc"], "page.doc ends in .doc"),
        (["look", "look.png", "--model", "{model}"], "look.png is the picture itself: give --out another name"),
        (["look", "nothing.png", "--model", "{model}"], "nothing.png"),
        (["look", "{model}", "--model", "nothing.safetensors"], "nothing.safetensors"),
        (["train", "quick", "--out", "{model}/folder"], "cannot write"),
    ],
)
def test_a_mistake_is_one_clear_line(run, arguments, message, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("MINIVIT_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert main([argument.format(run=run, model=run / "model.npz") for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("minivit: ") and message in captured.err
    assert "epoch 1" not in captured.out  # it is found before any work is done


@pytest.mark.usefixtures("few_digits", "unpainted")
def test_a_run_without_out_gets_a_folder_of_its_own(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    config, recipe = mnist.PRESETS["default"]
    monkeypatch.setitem(mnist.PRESETS, "default", (config, dataclasses.replace(recipe, epochs=1)))
    for folder in ("runs/default", "runs/default-2"):  # as the README says
        assert main(["train"]) == 0
        assert (tmp_path / folder / "model.npz").exists()
        assert f"wrote {folder}" in capsys.readouterr().out.replace("\\", "/")


@pytest.mark.parametrize("option", [["--epochs", "0"], ["--workers", "0"], ["--seed", "-1"]])
def test_numbers_that_are_too_small_are_refused(option, capsys):
    with pytest.raises(SystemExit) as ending:
        main(["train", *option])
    assert ending.value.code == 2 and f"{option[0]}: {option[1]}, expected at least" in capsys.readouterr().err


def test_version_and_unknown_commands(capsys):
    with pytest.raises(SystemExit) as ending:
        main(["--version"])
    assert ending.value.code == 0 and __version__ in capsys.readouterr().out
    with pytest.raises(SystemExit) as ending:
        main(["fly"])
    assert ending.value.code == 2
    with pytest.raises(SystemExit) as ending:
        main([])
    said = capsys.readouterr().err  # the list of commands
    assert ending.value.code == 2 and all(f"    {name} " in said for name in EXAMPLES if name)


def test_train_mnist_refuses_unknown_names():
    with pytest.raises(ValueError, match="preset is 'slow', expected one of 'quick', 'default', 'full'"):
        train_mnist("slow")
    with pytest.raises(ValueError, match="data is 'cifar', expected one of"):
        train_mnist(data="cifar")


def test_look_at_a_published_model_at_another_size(tmp_path, capsys):
    config = ViTConfig(image_size=16, patch_size=4, channels=3, classes=3, width=192, depth=1, heads=3)
    export_timm(ViT(config), tmp_path / "model.safetensors")
    ViT(config).save(tmp_path / "own.npz")
    Image.new("RGB", (40, 30), "teal").save(tmp_path / "picture.png")
    look = ["look", str(tmp_path / "picture.png"), "--out", str(tmp_path / "page.png"), "--image-size", "24", "32"]
    assert main([*look, "--model", str(tmp_path / "model.safetensors")]) == 0
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert main([*look, "--model", str(tmp_path / "own.npz")]) == 2
    assert "--heads and --image-size are for published models" in capsys.readouterr().err


def test_finetune_says_what_it_was_given():
    with pytest.raises(TypeError, match="model is a str, expected a ViT"):
        finetune("model.npz", *[np.zeros(1)] * 4)
    with pytest.raises(TypeError, match="recipe is a str, expected a TrainConfig"):
        finetune(
            ViT(ViTConfig(image_size=8, patch_size=4, width=8, depth=1, heads=1)), *[np.zeros(1)] * 4, recipe="quick"
        )


def test_every_option_says_what_it_is():
    seen = 0
    for command in _commands(_parser()):
        for action in command._actions:
            assert action.help, f"{command.prog} {action.option_strings or action.dest}"
            seen += 1
    assert seen > 50


def test_help_is_as_wide_as_the_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "70")
    for name in ("train", "kernel"):
        with pytest.raises(SystemExit):
            main([name, "--help"])
        told = capsys.readouterr().out.partition("examples:")[0]
        assert max(len(line) for line in told.splitlines() if "{" not in line) <= 70  # choices are one word


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path, monkeypatch, capsys):
    def fit(trainer, *rest, **options):
        trainer.optimizer.steps = fit.steps
        raise ValueError("it cannot go on")

    monkeypatch.setattr("minivit.train.mnist.fit", fit)
    monkeypatch.chdir(tmp_path)
    fit.steps = 0
    assert main(["train", "quick"]) == main(["train", "quick", "--out", "mine"]) == 2
    assert "it cannot go on" in capsys.readouterr().err
    assert not list(tmp_path.glob("*/*")) and not Path("mine").exists()
    fit.steps = 1
    assert main(["train", "quick"]) == 2
    assert [path.name for path in Path("runs", "quick").iterdir()] == ["checkpoint.npz"], "it had begun"


def _commands(parser):
    """The parsers of the commands, and of theirs."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield inner
                yield from _commands(inner)
