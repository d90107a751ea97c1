"""Every architecture with a recipe: trained on digits, stopped and resumed to the same bits, its pictures, its files.

A few digits and one epoch each: how well they learn is measured elsewhere."""

import dataclasses
import warnings

import numpy as np
import pytest
from PIL import Image

from minivit import ViT, count_parameters, load, train_mnist
from minivit.__main__ import main
from minivit.train import mnist, recipes, save_checkpoint
from minivit.train.detector import DETECTORS
from minivit.train.recipes import ARCHITECTURES, PRESETS, RECIPES, recipe

SHIPPED = {name: row.train for name, row in RECIPES.items()}  # the tests' own are shorter


@pytest.fixture(autouse=True)
def short(monkeypatch, few_digits):
    """Few digits, in batches of 64."""
    for name, row in RECIPES.items():
        train = dataclasses.replace(row.train, batch_size=64, shard_size=32, epochs=2)
        monkeypatch.setitem(recipes.RECIPES, name, row._replace(train=train))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_about_as_many_parameters_as_the_vits(name):
    config, _ = recipe(name, None, "digits")
    assert config.image_shape == (28, 28, 1) and config.classes == 10
    assert 0.95 * 60_000 <= count_parameters(config) <= 1.05 * 60_000


def test_the_recipes_are_those_of_the_measured_accuracies():
    """docs/ and README tell what they reach: who changes one measures anew, and changes it here."""
    expected = {
        "resnet": (20, 8e-3), "bit": (16, 8e-3), "hybrid": (20, 5e-3), "swin": (40, 8e-3), "pvt": (40, 5e-3),
        "mobilevit": (20, 5e-3),
    }  # fmt: skip
    assert {name: (train.epochs, train.learning_rate) for name, train in SHIPPED.items()} == expected
    presets = {"quick": (16, 6e-3, 64, 0.5), "default": (60, 6e-3, 64, 1.0), "full": (20, 5e-3, 128, 0.0)}
    trains = {name: train for name, (_, train) in PRESETS.items()}
    assert {n: (t.epochs, t.learning_rate, t.batch_size, t.elastic) for n, t in trains.items()} == presets


def test_the_recipes_maps_are_those_that_their_comments_name():
    """14 x 14 places of the first map, 7 x 7 patches, or these and a class token; 4 x 4 tokens in the last stage."""
    configs = {name: recipe(name, None, "digits")[0] for name in RECIPES}
    tokens = {"resnet": 196, "bit": 196, "hybrid": 50, "swin": 49, "pvt": 49, "mobilevit": 196}
    assert {name: config.tokens for name, config in configs.items()} == tokens
    assert configs["swin"].stages[-1].grid == configs["pvt"].stages[-1].grid == (4, 4)
    assert configs["mobilevit"].stages[-1].map == (7, 7)


@pytest.mark.parametrize("name", RECIPES)
def test_a_run_is_stopped_and_goes_on_to_the_same_bits(name, tmp_path):
    class Stop(Exception):
        pass

    whole = train_mnist(architecture=name, progress=False, workers=1)
    end_epoch = mnist.Trainer.end_epoch

    def stop(trainer, **measured):
        end_epoch(trainer, **measured)
        save_checkpoint(trainer, tmp_path / "c.npz")
        raise Stop

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(mnist.Trainer, "end_epoch", stop)
        train_mnist(architecture=name, progress=False, workers=2)
    resumed = train_mnist(resume=tmp_path / "c.npz", progress=False, workers=2)
    assert type(resumed.model) is type(whole.model) and len(resumed.history) == 2
    for key, array in whole.model.numpy_arrays().items():
        np.testing.assert_array_equal(resumed.model.numpy_arrays()[key], array, err_msg=key)
    with pytest.raises(ValueError, match=r"resumed with its own .*: leave out architecture"):
        train_mnist(architecture=name, resume=tmp_path / "c.npz")


@pytest.mark.usefixtures("unpainted")  # what predict and look paint below are the same pictures
@pytest.mark.parametrize("name", RECIPES)
def test_the_command_line_takes_it_from_training_to_pictures(name, tmp_path, capsys, few_digits):
    out = tmp_path / "run"
    assert main(["train", "--architecture", name, "--epochs", "1", "--out", str(out)]) == 0
    model = load(out / "model.npz")
    assert type(model).__name__ == RECIPES[name].model
    written = {path.name for path in out.glob("*.png")}
    assert {"curves.png", "predictions.png"} <= written
    assert ("attention.png" in written) == isinstance(model, ViT) != ("pixel_relevance.png" in written)
    assert main(["eval", "--model", str(out / "model.npz")]) == 0
    picture = tmp_path / "digit.png"
    Image.fromarray(few_digits.test_images[0, ..., 0]).save(picture)
    for command in ("predict", "look"):
        page = tmp_path / f"{command}.png"
        assert main([command, str(picture), "--model", str(out / "model.npz"), "--out", str(page)]) == 0
        with Image.open(page) as drawn:
            assert min(drawn.size) > 100
    assert "error" not in capsys.readouterr().err
    assert train_mnist("quick", epochs=1, teacher=model, progress=False).model.config.distilled


def test_what_has_no_recipe_is_answered(tmp_path):
    with pytest.raises(ValueError, match=r"architecture is 'cnn', expected one of 'vit', .*'swin'"):
        train_mnist(architecture="cnn")
    with pytest.raises(ValueError, match="preset is 'quick', which is a recipe of the ViT: leave it out for 'swin'"):
        train_mnist("quick", architecture="swin")
    with pytest.raises(ValueError, match="architecture 'swin' has no distillation token"):
        train_mnist(architecture="swin", teacher=lambda images: images)


def test_the_parser_knows_every_architecture(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    names = ",".join((*ARCHITECTURES, *DETECTORS))
    assert f"--architecture {{{names}}}" in capsys.readouterr().out.replace("\n", "")


def test_a_preset_is_not_taken_for_data(monkeypatch, capsys):
    monkeypatch.setattr(mnist, "load_mnist", lambda *args, **options: (_ for _ in ()).throw(ValueError("enough")))
    with (
        pytest.warns(UserWarning, match=r'8,000 digits that ship.*data="full"'),
        pytest.raises(ValueError, match="enough"),
    ):
        train_mnist("full")
    assert main(["train", "full", "--out", "nowhere"]) == 2
    assert capsys.readouterr().err.startswith('minivit: warning: preset "full" is a recipe')
    for options in ({"data": "digits"}, {"data": "full"}):
        with warnings.catch_warnings(), pytest.raises(ValueError, match="enough"):
            warnings.simplefilter("error")
            train_mnist("full", **options)
