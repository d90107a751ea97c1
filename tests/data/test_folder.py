"""A folder of pictures becomes a data set, the same for the same seed, and what is wrong with it is said by name."""

import numpy as np
import pytest
from PIL import Image

import minivit
from minivit.__main__ import main
from minivit.data import load_folder
from minivit.train.own import for_pictures, patch_side
from minivit.train.recipes import recipe

COLOURS = {"red": (200, 40, 40), "green": (40, 180, 40), "blue sky": (60, 80, 220)}


def fill(folder, count=10, mode="RGB", names=COLOURS):
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        if name in names:
            (folder / name).mkdir(parents=True)
            for i in range(count):
                pixels = np.clip(colour + rng.normal(0, 25, (20, 30, 3)), 0, 255)
                Image.fromarray(np.uint8(pixels)).convert(mode).save(folder / name / f"{i}.png")
    return folder


def test_a_subfolder_is_a_class(tmp_path):
    pictures = load_folder(fill(tmp_path / "own"), size=16)
    assert pictures.class_names == ("blue sky", "green", "red") and pictures.name == "own"
    assert pictures.train_images.shape == (24, 16, 16, 3) and pictures.train_images.dtype == np.uint8
    assert pictures.test_images.shape == (6, 16, 16, 3)
    assert np.bincount(pictures.train_labels).tolist() == [8, 8, 8]
    assert np.bincount(pictures.test_labels).tolist() == [2, 2, 2]
    for images, labels in (
        (pictures.train_images, pictures.train_labels),
        (pictures.test_images, pictures.test_labels),
    ):
        for image, label in zip(images, labels, strict=True):
            expected = COLOURS[pictures.class_names[label]]
            assert np.abs(image.mean(axis=(0, 1)) - expected).max() < 25


def test_the_seed_draws_the_split(tmp_path):
    fill(tmp_path / "own")
    one, same, other = (load_folder(tmp_path / "own", 8, seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.test_images, same.test_images)
    assert (one.train_images != other.train_images).any()
    assert len(set(one.test_labels[:3])) > 1, "the first test pictures are not all of one class"
    again = load_folder(**one.source)
    np.testing.assert_array_equal(one.test_labels, again.test_labels)
    np.testing.assert_array_equal(one.train_images, again.train_images)


def test_a_split_that_is_given_is_kept(tmp_path):
    fill(tmp_path / "own" / "train", 4), fill(tmp_path / "own" / "val", 3)
    pictures = load_folder(tmp_path / "own", 8)
    assert len(pictures.train_images) == 12 and len(pictures.test_images) == 9
    (tmp_path / "own" / "val" / "red").rename(tmp_path / "own" / "val" / "rot")
    with pytest.raises(ValueError, match="train and val differ in the classes red, rot"):
        load_folder(tmp_path / "own", 8)


def test_grey_pictures_have_one_channel_unless_asked(tmp_path):
    fill(tmp_path / "own", 3, "L")
    assert load_folder(tmp_path / "own", 8).train_images.shape[-1] == 1
    assert load_folder(tmp_path / "own", 8, channels=3).train_images.shape[-1] == 3
    for path in (tmp_path / "own").glob("*/*.png"):
        Image.open(path).convert("RGB").save(path)  # grey, whatever it is stored as
    assert load_folder(tmp_path / "own", 8).train_images.shape[-1] == 1
    fill(tmp_path / "colour", 3)
    assert load_folder(tmp_path / "colour", 8).train_images.shape[-1] == 3
    assert load_folder(tmp_path / "colour", 8, channels=1).train_images.shape[-1] == 1


def test_numbers_come_in_their_order_and_the_system_s_files_are_passed_over(tmp_path):
    for name in ("10", "9", "1"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (9, 9), 20 * i).save(tmp_path / "own" / name / f"{i}.png")
    (tmp_path / "own" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "own" / "9" / "Thumbs.db").write_bytes(b"x")
    assert load_folder(tmp_path / "own", 8).class_names == ("1", "9", "10")


def test_what_is_wrong_with_a_folder_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        load_folder(tmp_path / "nowhere")
    own = fill(tmp_path / "own", 3)
    with pytest.raises(NotADirectoryError, match=r"0\.png is a file"):
        load_folder(own / "red" / "0.png")
    with pytest.raises(ValueError, match="red has no subfolders: expected at least two"):
        load_folder(own / "red")
    with pytest.raises(ValueError, match="has one class, red: expected at least two"):
        load_folder(fill(tmp_path / "one", 3, names=["red"]))
    (own / "red" / "notes.txt").write_text("Dear reader")
    (own / "green" / "page.jpg").write_text("<!DOCTYPE html>")
    with pytest.raises(
        ValueError, match=r"2 files that are no pictures, green.page\.jpg, red.notes\.txt: move them away"
    ):
        load_folder(own)
    (own / "green" / "page.jpg").unlink()
    with pytest.raises(ValueError, match=r"a file that is no picture, red.notes\.txt: move it away"):
        load_folder(own)
    (own / "red" / "notes.txt").unlink()
    (own / "loose.png").write_bytes((own / "red" / "0.png").read_bytes())
    with pytest.raises(ValueError, match=r"holds loose\.png beside its classes"):
        load_folder(own)
    (own / "loose.png").unlink()
    (own / "empty").mkdir()
    with pytest.raises(ValueError, match=r"the class empty in .* is empty"):
        load_folder(own)
    (own / "empty" / "deeper").mkdir()
    with pytest.raises(ValueError, match="holds folders, deeper"):
        load_folder(own)
    (own / "empty" / "deeper").rmdir()
    Image.new("RGB", (9, 9)).save(own / "empty" / "single.png")
    with pytest.raises(ValueError, match=r"the class empty in .* has one picture"):
        load_folder(own)


@pytest.mark.parametrize(("size", "side"), [(28, 7), (32, 8), (64, 16), (96, 16), (224, 16), (30, 6), (31, 1)])
def test_patches_divide_the_picture(size, side):
    assert patch_side(size) == side and size % side == 0


@pytest.mark.parametrize("architecture", ["vit", "resnet", "swin"])
def test_every_recipe_fits(tmp_path, architecture):
    pictures = load_folder(fill(tmp_path / "own"), 32)
    config, how = for_pictures(pictures, *recipe(architecture, None, "digits"))
    assert config.image_shape == (32, 32, 3) and config.classes == 3 and how.batch_size <= 6
    result = minivit.train_mnist(data=pictures, architecture=architecture, epochs=1, parallel="threads", progress=False)
    assert result.model.class_names == pictures.class_names and result.probabilities.shape == (6, 3)


@pytest.mark.usefixtures("unpainted")
def test_the_command_line_learns_them_and_says_their_names(tmp_path, monkeypatch, capsys):
    own = fill(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert main(["train", "own", "--size", "16", "--epochs", "20", "--parallel", "threads"]) == 0
    assert "accuracy on images it has not seen: 100.00%" in capsys.readouterr().out
    model = minivit.load("runs/own/model.npz")
    assert model.class_names == ("blue sky", "green", "red")
    for name in model.class_names:
        assert main(["predict", str(own / name / "0.png"), "--model", "runs/own/model.npz", "--seen"]) == 0
        assert f"0.png: {name}\n" in capsys.readouterr().out
    assert main(["eval", "--model", "runs/own/model.npz"]) == 2
    assert "knows blue sky, green, red: eval asks for digits alone" in capsys.readouterr().err
    assert main(["train", "--resume", "runs/own/checkpoint.npz", "--out", "runs/own"]) == 0
    assert minivit.load("runs/own/checkpoint.npz").class_names == model.class_names


@pytest.mark.usefixtures("unpainted")
def test_a_recipe_s_word_stays_the_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    fill(tmp_path / "full")
    assert main(["train", "full", "--epochs", "1", "--size", "16"]) == 2
    assert "--size and --channels are for pictures of your own" in capsys.readouterr().err
    assert main(["train", "./full", "--epochs", "1", "--size", "16", "--parallel", "threads"]) == 0
    assert (tmp_path / "runs" / "full" / "model.npz").exists()
    capsys.readouterr()
    assert main(["train", "quik"]) == 2
    assert "'quik' is neither a recipe (quick, default, full) nor a folder of pictures; did you mean 'quick'?" in (
        capsys.readouterr().err
    )
    assert main(["train", "./full", "--data", "fashion"]) == 2
    assert "--data is without one" in capsys.readouterr().err


def test_class_names_are_checked():
    model = minivit.ViT(minivit.ViTConfig(image_size=8, patch_size=4, width=8, depth=1, heads=1, classes=2))
    with pytest.raises(ValueError, match="class_names has 3 names, expected one for each of 2 classes"):
        model.class_names = ("a", "b", "c")
    with pytest.raises(TypeError, match="expected a text for each of 2 classes"):
        model.class_names = "ab"
