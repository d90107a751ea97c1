"""Published files: each is one model's and no other's; and what is exported comes back to the same bits."""

from pathlib import Path

import numpy as np
import pytest

from minivit import export, family, load_pretrained
from minivit.proof import BERTS, CONFIGS, DETECTORS, FAMILY, MAES, order_one_parameters
from minivit.weights import read_weights
from minivit.weights.opened import whose

FIXTURES = Path(__file__).parents[1] / "fixtures"
FILES = sorted(
    [
        *FIXTURES.glob("*/*.safetensors"),
        *FIXTURES.glob("*/*/*.safetensors"),
        *FIXTURES.glob("*/*weights.npz"),
        FIXTURES / "parity" / "google_vit.npz",
    ]
)
# By how a fixture's name begins; all others are ViTs.
MODELS = {name.lower(): name for name in family.MEMBERS if name != "ViT"}
MODELS |= {"sparse_rcnn": "SparseRCNN", "deformable": "DeformableDETR"}
# What nothing in the fixtures' files tells.
OPTIONS = {
    "bit_google_weights": {"groups": 8},
    "bit_timm": {"groups": 8},
    "deformable_original": {"heads": 4},
    "deformable_original_two_stage": {"heads": 2, "queries": 8},
    "detr_original": {"heads": 4},
    "mae_original": {"heads": 5, "decoder_heads": 3},
    "pvt2_linear_timm": {"heads": (2, 3)},
    "pvt2_timm": {"heads": (1, 2, 4, 3)},
    "pvt_original": {"heads": (1, 2, 4, 3)},
    "sparse_rcnn": {"heads": 4},
    "swin_timm_pad": {"image_size": (24, 40)},
    "timm_rectangular": {"image_size": (16, 40)},
}
SMALL = {f"{kind.__name__}: {name}": (kind, config) for name, (kind, config) in FAMILY.items()}
SMALL |= {f"MAE: {name}": (family.MAE, config) for name, config in MAES.items()}
SMALL |= {f"BERT: {name}": (family.BERT, config) for name, config in BERTS.items()}
SMALL |= {name: (kind, config) for name, (kind, config, _) in DETECTORS.items()}
SMALL |= {f"ViT: {name}": (family.kind("ViT"), config) for name, config in CONFIGS.items()}


def name_of(path):
    return path.parent.name if path.stem == "model" else path.stem


def model_of(path):
    begins = [model for begins, model in MODELS.items() if name_of(path).startswith(begins)]
    return begins[0] if begins else "ViT"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_one_model_knows_a_file(path):
    tensors = read_weights(path)
    answers = {name: family.weights(name).recognise(tensors) for name in family.MEMBERS}
    assert [name for name, source in answers.items() if source] == [model_of(path)]
    assert whose(tensors) == (model_of(path), answers[model_of(path)])


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_its_model_is_loaded_and_others_refuse_it(path):
    own = model_of(path)
    options = OPTIONS.get(name_of(path), {})
    if own == "ViT" and name_of(path).startswith(("timm", "torchvision")):
        options = options | {"heads": 4 if path.parent.name == "parity" else 3}
    place = path.parent if path.stem == "model" else path
    assert type(load_pretrained(place, **options)) is family.kind(own)
    for name in family.MEMBERS:
        if name != own:
            with pytest.raises(ValueError, match=rf"its names are those of a {own} \(.+\), expected a {name}: minivit"):
                family.loader(name)(place)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SMALL)
def test_what_is_exported_comes_back_to_the_same_bits(tmp_path, name, dtype):
    kind, config = SMALL[name]
    numbers = order_one_parameters(config, kind=kind)
    model = kind(config, params={key: array.astype(dtype) for key, array in numbers.items()})
    written = 0
    for source in family.weights(kind.__name__).SOURCES:
        path = tmp_path / ("m.npz" if source == "Google" else "m.safetensors")
        try:
            export(model, path, source)
        except ValueError as refusal:
            assert any(words in str(refusal) for words in ("has no names for", "for version 1"))
            continue
        untold = {"groups": config.groups, "image_size": config.image_size} if source == "Google" else {}
        again = load_pretrained(path, dtype=dtype, **untold)
        assert type(again) is kind and list(again.numpy_arrays()) == list(model.numpy_arrays())
        assert source == "Google" or again.config == config
        for key, array in model.numpy_arrays().items():
            assert again.numpy_arrays()[key].tobytes() == array.tobytes(), (source, key)
        written += 1
    assert written or getattr(config, "position", "1d") != "1d" or getattr(config, "attention", "full") != "full"


@pytest.mark.parametrize("name", family.MEMBERS)
def test_help_names_every_model_and_every_source(name):
    sources = [f'"{source}"' for source in family.weights(name).SOURCES]
    assert all(f"\n    {name} " in function.__doc__ for function in (export, load_pretrained))
    (line,) = [line for line in export.__doc__.splitlines() if line.startswith(f"    {name} ")]
    assert line.split(maxsplit=1)[1].split("  ")[0] == ", ".join(sources)


def test_what_is_no_model_of_ours_is_not_exported(tmp_path):
    with pytest.raises(TypeError, match="model is a str, expected one of BERT, BiT, DeformableDETR, DETR, MAE, "):
        export("model", tmp_path / "m.safetensors")
    model = family.ResNet(FAMILY["ResNet"][1])
    with pytest.raises(ValueError, match="source is 'apple', expected one of 'torchvision', 'timm', 'Hugging Face'"):
        export(model, tmp_path / "m.safetensors", "apple")
    with pytest.raises(ValueError, match=r"m\.bin is to be a \.safetensors file: give it that ending"):
        export(model, tmp_path / "m.bin")
    assert not list(tmp_path.iterdir())
