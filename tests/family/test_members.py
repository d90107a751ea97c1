"""The family's table: whatever stands in it is found by name, by configuration, by a file; and says what it is."""

import dataclasses
import inspect
import re

import numpy as np
import pytest

import minivit
from minivit import count_parameters, family, load
from minivit.files import read_npz, write_npz
from minivit.model import Classifier, parameter_shapes
from minivit.proof import BERTS, CONFIGS, DETECTORS, FAMILY, MAES

SMALL = {name: next(iter(some.values())) for name, some in {"BERT": BERTS, "MAE": MAES, "ViT": CONFIGS}.items()}
SMALL |= {kind.__name__: config for kind, config in reversed(FAMILY.values())}
SMALL |= {kind.__name__: config for kind, config, _ in reversed(DETECTORS.values())}


@pytest.mark.parametrize("name", family.MEMBERS)
def test_a_row_leads_to_all_that_it_names(name):
    member, kind = family.MEMBERS[name], family.kind(name)
    assert getattr(family, name) is kind and getattr(minivit, name) is kind
    assert kind.__name__ == name and kind.Config is getattr(family, member.config) is getattr(minivit, member.config)
    assert {name, member.config} <= set(family.__all__) & set(minivit.__all__)
    config = SMALL[name]
    assert family.kind_of(config) is kind
    if member.weights:
        known = family.weights(name)
        assert family.loader(name) is known.load and all(map(callable, (known.recognise, known.export)))
        assert known.SOURCES


@pytest.mark.parametrize("name", family.MEMBERS)
def test_help_explains_the_class_and_every_option(name):
    kind = family.kind(name)
    assert len(inspect.getdoc(kind)) > 80 and inspect.getdoc(kind) != inspect.getdoc(Classifier)
    explained = re.findall(r"^    (\w+)  +\S", kind.Config.__doc__, re.MULTILINE)
    assert explained == [field.name for field in dataclasses.fields(kind.Config)]
    assert inspect.getdoc(kind.Config.from_name) and inspect.getdoc(kind.from_name)


@pytest.mark.parametrize("name", family.MEMBERS)
def test_a_saved_model_is_found_by_the_class_inside(name, tmp_path):
    model = family.kind(name)(SMALL[name], seed=3)
    model.save(tmp_path / "m.npz")
    loaded = load(tmp_path / "m.npz")
    assert (type(loaded), loaded.config) == (type(model), model.config)
    for key, array in model.numpy_arrays().items():
        np.testing.assert_array_equal(loaded.numpy_arrays()[key], array)
    assert load(tmp_path / "m.npz", device="emulator").device.name == "emulator"


@pytest.mark.parametrize("name", family.MEMBERS)
def test_parameters_of_any_configuration_are_counted(name):
    model = family.kind(name)(SMALL[name])
    assert count_parameters(SMALL[name]) == sum(array.size for array in model.params.values())


def test_a_vits_count_is_its_shapes():
    for config in CONFIGS.values():
        shapes = parameter_shapes(config).values()
        assert count_parameters(config) == sum(int(np.prod(shape)) for shape in shapes)


def test_what_is_none_of_the_family_is_told(tmp_path):
    with pytest.raises(AttributeError, match=r"minivit\.family' has no attribute 'Swine'"):
        family.Swine  # noqa: B018  to look it up is the test
    for function in (family.kind, family.loader):
        with pytest.raises(ValueError, match="the family has no 'Swine', expected one of BERT, BiT, DeformableDETR, "):
            function("Swine")
    with pytest.raises(TypeError, match="config is a dict, expected one of BERTConfig, BiTConfig, "):
        count_parameters({"width": 3})
    family.kind("ViT")(SMALL["ViT"]).save(tmp_path / "m.npz")
    write_npz(tmp_path / "m.npz", read_npz(tmp_path / "m.npz") | {"minivit.model": np.array("Swine")})
    with pytest.raises(
        ValueError, match=r"m\.npz: the family has no 'Swine', expected one of BERT, BiT, DeformableDETR, "
    ):
        load(tmp_path / "m.npz")
    np.savez(tmp_path / "n.npz", a=np.zeros(3))
    with pytest.raises(ValueError, match=r"n\.npz is not a minivit model: .*minivit\.load_pretrained"):
        load(tmp_path / "n.npz")


def test_fresh_models_by_name():
    model = minivit.Swin.from_name(
        "Swin-T", seed=2, dtype=np.float64, image_size=32, classes=3, depths=(1,), heads=(3,)
    )
    assert (model.config.width, model.config.classes, model.dtype) == (96, 3, np.float64)
    same = minivit.Swin(model.config, seed=2, dtype=np.float64)
    np.testing.assert_array_equal(model.params["head.fc.weight"], same.params["head.fc.weight"])
    assert minivit.ViT.from_name("ViT-Ti/16", depth=1).config.width == 192
    with pytest.raises(ValueError, match="no published size is named 'Swin-X', expected one of 'Swin-"):
        minivit.Swin.from_name("Swin-X")
