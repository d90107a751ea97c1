"""What no tensor tells and a publisher's code does: its resizing, its pixels, its ε, to the last digit; and guesses."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest

from minivit import ViT, ViTConfig, export_timm, load_pretrained
from minivit.data import MNIST_MEAN, MNIST_STD
from minivit.model.sizes import SIZES
from minivit.ops import resize_positions_forward
from minivit.weights import read_weights
from minivit.weights.safetensors import write_safetensors
from minivit.weights.vit import HEADS
from minivit.weights.wrapped import unwrapped

FIXTURES = Path(__file__).parents[1] / "fixtures"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's pixels, as all but Google round them
NAMES = "position_resize", "resize_filter", "squeeze", "crop", "image_mean", "image_std", "norm_eps", "gelu"
# torchvision's weights.transforms() and interpolate_embeddings, timm's default_cfgs, Hugging Face's image processors.
PUBLISHED = {
    "parity/torchvision_vit": ("bicubic_align_corners", "bilinear", False, 0.875, MEAN, STD, 1e-6, "erf"),
    "parity/timm_cls": ("bicubic_antialias", "bicubic", False, 0.9, (0.5,) * 3, (0.5,) * 3, 1e-6, "erf"),
    "parity/timm_layerscale": ("bicubic_antialias", "bicubic", False, 0.9, MEAN, STD, 1e-6, "erf"),
    "parity/timm_distilled": ("bicubic_antialias", "bicubic", False, 0.9, MEAN, STD, 1e-6, "erf"),
    "weights/hf_vit_features": ("bicubic", "bilinear", True, 1.0, (0.5,) * 3, (0.5,) * 3, 1e-12, "erf"),
    "weights/hf_deit_distilled": ("bicubic", "bicubic", True, 0.875, MEAN, STD, 1e-12, "erf"),
    "weights/hf_dinov2": ("bicubic", "bicubic", False, 0.875, MEAN, STD, 1e-6, "erf"),
    "weights/hf_dinov2_registers": ("bicubic_antialias", "bicubic", False, 0.875, MEAN, STD, 1e-6, "erf"),
}


def quietly(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load_pretrained(path, **options)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_each_publisher_does(name, tmp_path):
    """Of tensors alone, and of colour pictures: a fixture's two channels become three."""
    path = FIXTURES / name
    path = path / "model.safetensors" if path.is_dir() else path.with_suffix(".safetensors")
    arrays = {key: tensor.read() for key, tensor in read_weights(path).items()}
    for key, array in arrays.items():
        if array.ndim == 4 and array.shape[1] != 3:
            arrays[key] = np.ascontiguousarray(array[:, [0, 1, 0]])
    write_safetensors(tmp_path / "model.safetensors", arrays, {"format": "pt"})
    config = quietly(tmp_path / "model.safetensors", heads=4 if name.startswith("parity") else 3).config
    found = {key: getattr(config, key) for key in NAMES}
    for key in ("image_mean", "image_std"):
        found[key] = tuple(np.broadcast_to(found[key], 3).tolist())
    assert found == dict(zip(NAMES, PUBLISHED[name], strict=True))


def test_torchvisions_positions_go_to_another_size_by_its_own_rule():
    """interpolate_embeddings: bicubic, align_corners=True."""
    path = FIXTURES / "parity" / "torchvision_vit.safetensors"
    small = load_pretrained(path, heads=4)
    height, width = small.config.grid
    side = small.config.patch_size[0] * (height + 3)
    large = load_pretrained(path, heads=4, image_size=side)
    table = small.params["pos_embed"].astype(np.float64)
    expected, _ = resize_positions_forward(table, (height, width), (height + 3,) * 2, 1, "bicubic_align_corners")
    np.testing.assert_allclose(large.params["pos_embed"], expected, atol=1e-6)
    other, _ = resize_positions_forward(table, (height, width), (height + 3,) * 2, 1, "bicubic")
    assert np.abs(expected - other).max() > 1e-3


def test_digits_are_normalised_by_the_numbers_of_the_60000():
    assert (MNIST_MEAN, MNIST_STD) == (0.1307, 0.3081)


def guess(counts, word="known"):
    """Whose tensors are found, of models of so many tensors under these prefixes."""
    tensors = {f"{p}{word}.{i}.weight": np.float32(i) for p, count in counts.items() for i in range(count)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return unwrapped(tensors, lambda names: "ours" if any(n.startswith(f"{word}.") for n in names) else None)[0]


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"a.": 9, "b.": 10}, "b."),  # of two models the one with more tensors
        ({"b.": 10, "a.": 9}, "b."),
        ({"teacher.a.": 9, "student.a.": 12}, "teacher.a."),  # an average before all others
        ({"student.a.": 12, "teacher.a.": 9}, "teacher.a."),
        ({"ema.": 9, "b.": 30}, "ema."),
        ({"momentum_encoder.": 9, "b.": 30}, "momentum_encoder."),
        ({"emanuel.": 9, "b.": 30}, "b."),  # whole words
        ({"teacher.a.": 9, "teacher.b.": 10}, "teacher.b."),
        ({"a.": 7, "b.": 0}, ""),  # fewer than eight are no model
        ({"a.": 8, "b.x.": 1}, "a."),
        ({"module.": 3}, "module."),  # wrappers alone are taken off whatever is left
        ({"module.module.a.": 9, "module.module.b.": 8}, "module.module.a."),
    ],
)
def test_the_order_of_the_guesses(counts, found):
    assert guess(counts) == found


def exported(tmp_path, zeros, **options):
    sizes = dict(image_size=(8, 20), patch_size=4, channels=1, classes=3, width=64, depth=1, heads=1)
    model = ViT(ViTConfig(**sizes | options), seed=1)
    model.params["pos_embed"][:, zeros] = 0
    path = tmp_path / "model.safetensors"
    export_timm(model, path)
    rows = read_weights(path)["pos_embed"].shape[1]
    loaded = load_pretrained(path)
    assert loaded.config == model.config
    for name, array in model.params.items():
        np.testing.assert_array_equal(loaded.params[name], array, err_msg=name)
    return rows


@pytest.mark.parametrize("distilled", [False, True])
def test_class_tokens_without_positions_are_written_without_rows(tmp_path, distilled):
    """As timm's no_embed_class has it; one number that is not 0, in either token's row, and both rows are written."""
    prefix = 1 + distilled
    assert exported(tmp_path, slice(0, prefix), distilled=distilled) == 10
    assert exported(tmp_path, slice(0, 0), distilled=distilled) == 10 + prefix
    for row in range(prefix):
        others = [r for r in range(prefix) if r != row]
        assert exported(tmp_path, others, distilled=distilled) == 10 + prefix


def test_a_table_is_first_a_square_with_rows_for_the_class_token_then_one_without(tmp_path):
    """Of a file that says no size: 10 rows are 1 + 3 x 3, and 9 are 3 x 3, though 1 + 8 would fit what is asked for."""
    sizes = dict(patch_size=4, channels=1, classes=3, width=64, depth=1, heads=1)
    model = ViT(ViTConfig(image_size=12, **sizes))
    export_timm(model, tmp_path / "own.safetensors")
    arrays = {name: tensor.read() for name, tensor in read_weights(tmp_path / "own.safetensors").items()}
    table = model.params["pos_embed"]
    for rows, cls in ((table, table[:, :1]), (table[:, 1:], 0 * table[:, :1])):
        write_safetensors(tmp_path / "theirs.safetensors", arrays | {"pos_embed": rows}, {"format": "pt"})
        for size, grid in ((None, (3, 3)), (12, (3, 3)), ((8, 16), (2, 4))):
            loaded = quietly(tmp_path / "theirs.safetensors", heads=1, **({"image_size": size} if size else {}))
            assert loaded.config.grid == grid
            np.testing.assert_array_equal(loaded.params["pos_embed"][:, :1], cls)
            expected, _ = resize_positions_forward(table, (3, 3), grid, 1, "bicubic_antialias")
            np.testing.assert_allclose(loaded.params["pos_embed"][:, 1:], expected[:, 1:], atol=1e-6)


def test_json_beside_the_file_is_surer_than_a_convention(tmp_path):
    shutil.copy(FIXTURES / "parity" / "timm_cls.safetensors", tmp_path / "model.safetensors")
    told = dict(mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6], interpolation="bilinear", crop_pct=0.95, crop_mode="squash")
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": told}))
    config = quietly(tmp_path, heads=4).config
    found = config.image_mean, config.image_std, config.resize_filter, config.crop, config.squeeze
    assert found == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "bilinear", 0.95, True)


def test_how_many_heads_a_published_size_has():
    """By width and depth, as the published configurations: those test_sizes.py holds to the papers."""
    sizes = {name: ViTConfig.from_name(name) for name in SIZES if not SIZES[name].get("stem")}
    told = {(config.width, config.depth): config.heads for config in sizes.values()}
    assert {size: heads for size, heads in HEADS.items() if size in told} == {
        size: heads for size, heads in told.items() if size in HEADS
    }
    assert set(HEADS) <= set(told)
