"""Weights as people have them: in wrappers, in parts, with names of classes; and what is no file of weights at all."""

import json
import warnings
import zipfile

import numpy as np
import pytest

import minivit
from minivit.data import imagenet_classes
from minivit.weights import export_timm, load_pretrained, read_weights
from minivit.weights.safetensors import write_safetensors

CONFIG = minivit.ViTConfig(image_size=16, patch_size=8, classes=5, width=192, depth=12, heads=3)
MODEL = minivit.ViT(CONFIG, seed=3)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """timm's tensors by their names."""
    path = tmp_path_factory.mktemp("plain") / "model.safetensors"
    export_timm(MODEL, path)
    return {name: np.ascontiguousarray(tensor.floats(np.float32)) for name, tensor in read_weights(path).items()}


def load(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_pretrained(path, **options)


def same(model):
    return all(np.array_equal(model.params[name], array) for name, array in MODEL.params.items())


PREFIXES = ["module.", "model.", "backbone.", "encoder.", "student.", "teacher.", "state_dict.model.", "_orig_mod."]
PREFIXES += ["module.backbone.", "teacher.backbone.", "visual.trunk.", "model.pretrained.", "my.own.wrapper."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_prefix_is_seen_through(plain, tmp_path, prefix):
    write_safetensors(tmp_path / "x.safetensors", {prefix + name: array for name, array in plain.items()})
    assert same(load(tmp_path / "x.safetensors"))


def test_what_is_not_the_model_s_is_left_out_and_said(plain, tmp_path):
    tensors = {f"model.backbone.{name}": array for name, array in plain.items()}
    tensors |= {"model.depth_head.weight": np.ones(3, np.float32), "loss.weight": np.ones(2, np.float32)}
    write_safetensors(tmp_path / "x.safetensors", tensors)
    with pytest.warns(
        UserWarning, match=r"under the prefix 'model\.backbone\.'; 2 other tensors are left out: .*depth"
    ):
        assert same(load_pretrained(tmp_path / "x.safetensors"))


def test_of_student_and_teacher_the_teacher_is_taken(plain, tmp_path):
    tensors = {f"student.backbone.{name}": array + 1 for name, array in plain.items()}
    tensors |= {f"teacher.backbone.{name}": array for name, array in plain.items()}
    write_safetensors(tmp_path / "x.safetensors", tensors)
    with pytest.warns(UserWarning, match=r"under the prefix 'teacher\.backbone\.'"):
        assert same(load_pretrained(tmp_path / "x.safetensors"))


def test_the_names_of_nobody_stay_so_under_a_prefix(tmp_path):
    write_safetensors(tmp_path / "x.safetensors", {f"module.{i}.weight": np.ones(2, np.float32) for i in range(20)})
    with pytest.raises(ValueError, match=r"no known model .* whatever their prefix: it has module\.0\.weight"):
        load(tmp_path / "x.safetensors")


ALIKE = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n": "git lfs pull",
    b"<!DOCTYPE html>\n<html><body>Sign in</body></html>": "is a web page",
    b"\x80\x02}q\x00.": "is a pickle.*save_file",
    b"\x80\x04\x95\x00.": "is a pickle.*save_file",
    b"\x89HDF\r\n\x1a\n" + bytes(64): "an HDF5 file",
    b"GGUF" + bytes(64): "a GGUF file",
    b'{"model_type": "vit", "hidden_size": 192}': "is JSON",
    b"Notes on this model: \xc3\xa9": "is a text, not weights",
}


@pytest.mark.parametrize("content", ALIKE, ids=lambda content: repr(content[:8]))
@pytest.mark.parametrize("name", ["x.safetensors", "x.npz", "x.pth", "x.bin"])
def test_what_is_no_file_of_weights_is_called_by_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} .*{ALIKE[content]}"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["x.safetensors", "x.npz", "x.pth"])
def test_a_renamed_file_of_pytorch(tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    with pytest.raises(ValueError, match=rf"{name} is a PyTorch file, a pickle in a zip.*weights_only"):
        load(tmp_path / name)


@pytest.fixture
def parts(plain, tmp_path):
    names = list(plain)
    files = {f"model-0000{i + 1}-of-00002.safetensors": names[i::2] for i in range(2)}
    for file, held in files.items():
        write_safetensors(tmp_path / file, {name: plain[name] for name in held})
    index = {"weight_map": {name: file for file, held in files.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    return tmp_path


def test_parts_are_read_by_their_index(parts):
    assert same(load(parts)) and same(load(parts / "model.safetensors.index.json"))


def test_one_part_is_not_the_model(parts):
    with pytest.raises(
        ValueError, match=r"part 1 of 2 of a model in shards: give the folder, or model\.safetensors\.ind"
    ):
        load(parts / "model-00001-of-00002.safetensors")
    (parts / "model.safetensors.index.json").unlink()
    for path in (parts, parts / "model-00001-of-00002.safetensors"):
        with pytest.raises(ValueError, match=r"part 1 of 2 .* its index, .*, is missing here"):
            load(path)


def test_an_index_that_lies(parts):
    (parts / "model-00002-of-00002.safetensors").rename(parts / "elsewhere.bin")
    with pytest.raises(FileNotFoundError, match=r"names model-00002-of-00002\.safetensors, which is not beside it"):
        load(parts)
    for told, said in (
        ({"a": "../x.safetensors"}, "expected a .safetensors file beside it"),
        ({}, "has no weight_map"),
    ):
        (parts / "model.safetensors.index.json").write_text(json.dumps({"weight_map": told}))
        with pytest.raises(ValueError, match=said):
            load(parts / "model.safetensors.index.json")
    told = {"weight_map": {"nothing": "model-00001-of-00002.safetensors"}}
    (parts / "model.safetensors.index.json").write_text(json.dumps(told))
    with pytest.raises(ValueError, match="names 1 tensors that are not in their parts: nothing"):
        load(parts)


def test_a_folder_of_the_cache(plain, tmp_path):
    cache = tmp_path / "models--timm--x"
    for version in ("aaa", "bbb"):
        (cache / "snapshots" / version).mkdir(parents=True)
        write_safetensors(cache / "snapshots" / version / "model.safetensors", plain)
    with pytest.raises(ValueError, match="holds 2 snapshots, choose one: aaa, bbb"):
        load(cache)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("bbb\n")
    assert same(load(cache))


def test_a_folder_of_pickles_alone(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"only what is a pickle \(pytorch_model\.bin\): have PyTorch load it"):
        load(tmp_path)


def named(plain, folder, config):
    folder.mkdir(exist_ok=True)
    write_safetensors(folder / "model.safetensors", plain)
    (folder / "config.json").write_text(json.dumps(config))
    return load(folder).class_names


def test_the_names_of_classes_are_the_file_s(plain, tmp_path):
    labels = {str(i): f"plant {i}" for i in (4, 3, 2, 1, 0)}
    assert named(plain, tmp_path, {"id2label": labels}) == tuple(f"plant {i}" for i in range(5))
    assert named(plain, tmp_path, {"id2label": {i: f"LABEL_{i}" for i in range(5)}}) is None
    timm = {"label_names": list("edcba"), "label_descriptions": {"e": "an e"}}
    assert named(plain, tmp_path, timm) == ("an e", "d", "c", "b", "a")
    with pytest.warns(UserWarning, match="names 2 classes, the model has 5: they stay numbers"):
        (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "a", "1": "b"}}))
        assert load_pretrained(tmp_path).class_names is None
    assert named(plain, tmp_path, {}) is None


def test_imagenet_s_names_are_for_a_thousand_classes_without_others(tmp_path):
    model = minivit.ViT(minivit.ViTConfig(image_size=16, patch_size=16, classes=1000, width=192, depth=12, heads=3))
    export_timm(model, tmp_path / "own.safetensors")
    assert load(tmp_path / "own.safetensors").class_names is None  # exported by one that had no names
    tensors = {name: np.ascontiguousarray(t.floats()) for name, t in read_weights(tmp_path / "own.safetensors").items()}
    write_safetensors(tmp_path / "published.safetensors", tensors)
    published = load(tmp_path / "published.safetensors")
    assert published.class_names == imagenet_classes()
    assert load(tmp_path / "published.safetensors", classes=3).class_names is None
    published.save(tmp_path / "saved.npz")
    assert minivit.load(tmp_path / "saved.npz").class_names == imagenet_classes()
    export_timm(published, tmp_path / "exported.safetensors")
    assert load(tmp_path / "exported.safetensors").class_names == imagenet_classes()


def test_a_normalisation_that_nothing_tells_is_a_guess_and_said(plain, tmp_path):
    write_safetensors(tmp_path / "deit.safetensors", plain)
    with pytest.warns(UserWarning, match=r"0\.5 and 0\.5 are taken.*image_mean=\(0\.485, 0\.456, 0\.406\)"):
        load_pretrained(tmp_path / "deit.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_pretrained(tmp_path / "deit.safetensors", image_mean=0.5, image_std=0.5)
        (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {"mean": [0.4] * 3, "std": [0.2] * 3}}))
        assert load_pretrained(tmp_path / "deit.safetensors").config.image_mean == (0.4, 0.4, 0.4)


def test_meta_s_dinov2_with_registers_differs_in_a_name(plain, tmp_path):
    """register_tokens is timm's reg_token."""
    tensors = {name: array for name, array in plain.items() if "head" not in name}
    tensors |= {f"blocks.{i}.ls{j}.gamma": np.ones(192, np.float32) for i in range(12) for j in (1, 2)}
    tensors |= {"mask_token": np.zeros((1, 192), np.float32)}
    registers = np.random.default_rng(0).standard_normal((1, 4, 192)).astype(np.float32)
    write_safetensors(tmp_path / "meta.safetensors", tensors | {"register_tokens": registers})
    write_safetensors(tmp_path / "timm.safetensors", tensors | {"reg_token": registers})
    meta, timm = (load(tmp_path / f"{name}.safetensors") for name in ("meta", "timm"))
    assert meta.config == timm.config and meta.config.registers == 4
    assert all(np.array_equal(meta.params[name], timm.params[name]) for name in timm.params)
