"""What `export` writes in Hugging Face's names is a folder: weights, config.json, preprocessor_config.json.

That transformers 5.24 reads them with `from_pretrained`, without a missing or unexpected tensor but BatchNorm's
counters, Dinov2's mask token and a ViT's pooler, and computes the same to 1e-6, was seen when this was written. Here
they are read back by us as another's file: without the configuration that our own exports carry in their metadata.
"""

import json

import numpy as np
import pytest

import minivit
from minivit import (
    BERTConfig,
    BiTConfig,
    MAEConfig,
    MobileViTConfig,
    PVTConfig,
    ResNetConfig,
    SwinConfig,
    ViTConfig,
    family,
)
from minivit.weights import load_pretrained, read_weights
from minivit.weights.safetensors import write_safetensors

TINY = dict(image_size=32, patch_size=8, width=24, depth=2, heads=3, classes=4)
DINO = TINY | dict(layer_scale=0.25, pool="cls_norm_gap")  # transformers would take 1.0 if it were not told
STAGES = dict(image_size=32, classes=4, widths=(8, 16), depths=(1, 2), heads=(1, 2), strides=(4, 2), mlp_ratios=(2, 2))
PYRAMID = STAGES | dict(reductions=(2, 1), norm_eps=1e-6, embed_eps=1e-6)
MODELS = {
    "ViTForImageClassification": ViTConfig(**TINY, squeeze=True, crop=1.0, gelu="tanh"),
    "ViTModel": ViTConfig(**TINY | dict(classes=0, qkv_bias=False)),
    "DeiTForImageClassificationWithTeacher": ViTConfig(**TINY, distilled=True),
    "Dinov2ForImageClassification": ViTConfig(**DINO),
    "Dinov2Model": ViTConfig(**DINO | dict(classes=0, mlp="swiglu", pool="cls")),
    "Dinov2WithRegistersForImageClassification": ViTConfig(**DINO, registers=4),
    "SwinForImageClassification": SwinConfig(
        image_size=28,
        patch_size=2,
        width=8,
        depths=(2, 2),
        heads=(2, 4),
        classes=4,
        padding="huggingface",
        squeeze=True,
    ),
    "PvtForImageClassification": PVTConfig(**PYRAMID, version=1, patch_sizes=(4, 2)),
    "PvtV2ForImageClassification": PVTConfig(**PYRAMID, version=2, patch_sizes=(7, 3)),
    "ResNetForImageClassification": ResNetConfig(
        image_size=32, classes=4, stem_width=8, depths=(1, 2), widths=(16, 32), inner=(4, 8)
    ),
    "BitForImageClassification": BiTConfig(
        image_size=32, classes=4, stem_width=16, depths=(1, 1), widths=(32, 64), inner=(8, 16), groups=8
    ),
    "MobileViTForImageClassification": MobileViTConfig(
        image_size=64,
        classes=4,
        stem_width=8,
        widths=(8, 16, 24, 32, 40),
        token_widths=(0, 0, 24, 32, 40),
        last_width=48,
    ),
    "ViTMAEForPreTraining": MAEConfig(
        image_size=32, patch_size=8, width=24, depth=2, heads=3, decoder_width=16, decoder_depth=1, decoder_heads=2
    ),
    "BertForSequenceClassification": BERTConfig(
        words=40, positions=12, width=24, depth=2, heads=3, head="classifier", classes=4
    ),
}
# What no JSON says (a resize to 35 pixels is to 32 / 0.9 and to 32 / 0.914), or says otherwise, and training's own.
NOT_TOLD = {"crop", "position_resize", "image_mean", "image_std", "drop_path", "momentum", "zero_init", "weight_eps"}


@pytest.mark.parametrize("architecture", MODELS)
def test_the_folder_is_read_back_by_its_json_alone(architecture, tmp_path):
    config = MODELS[architecture]
    model = family.kind_of(config)(config, seed=1, init="fan_in")
    if getattr(config, "classes", 0):
        model.class_names = ("cat", "dog", "horse", "Löwe")
    file = tmp_path / "model.safetensors"
    minivit.export(model, file, "Hugging Face")
    told = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert told["architectures"] == [architecture]
    assert (tmp_path / "preprocessor_config.json").exists() == hasattr(config, "image_mean")
    arrays = {name: np.ascontiguousarray(tensor.read()) for name, tensor in read_weights(file).items()}
    write_safetensors(file, arrays, {"format": "pt"})
    back = load_pretrained(tmp_path)
    assert back.class_names == model.class_names
    for name, array in model.numpy_arrays().items():
        np.testing.assert_array_equal(back.numpy_arrays()[name], array, err_msg=name)
    ours, theirs = config.to_dict(), back.config.to_dict()
    assert {name for name in ours if ours[name] != theirs[name]} <= NOT_TOLD
    if hasattr(config, "image_mean"):
        assert set(np.ravel(theirs["image_mean"])) == set(np.ravel(ours["image_mean"]))


# What transformers' own classes read, and nothing of it would be missed by who looks at the tensors.
FOR_OTHERS = {
    "ViTForImageClassification": dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, image_size=32, patch_size=8,
        num_channels=3, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6, qkv_bias=True, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    ),
    "Dinov2WithRegistersForImageClassification": dict(
        mlp_ratio=4, layerscale_value=0.25, drop_path_rate=0.0, use_swiglu_ffn=False, num_register_tokens=4,
    ),
    "ViTMAEForPreTraining": dict(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=3, intermediate_size=96, decoder_hidden_size=16,
        decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=64, image_size=32,
        patch_size=8, num_channels=3, mask_ratio=0.75, norm_pix_loss=False, hidden_act="gelu", layer_norm_eps=1e-6,
        qkv_bias=True,
    ),
    "MobileViTForImageClassification": dict(
        image_size=64, patch_size=2, num_channels=3, hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 8, 16, 24, 32, 40, 48], num_attention_heads=4, mlp_ratio=2.0,
        expand_ratio=4.0, qkv_bias=True, hidden_act="silu", output_stride=32, layer_norm_eps=1e-5,
    ),
    "PvtForImageClassification": dict(
        patch_sizes=[4, 2], strides=[4, 2], sequence_reduction_ratios=[2, 1], num_labels=4, hidden_sizes=[8, 16],
        num_encoder_blocks=2, depths=[1, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
    ),
    "PvtV2ForImageClassification": dict(
        patch_sizes=[7, 3], strides=[4, 2], sr_ratios=[2, 1], linear_attention=False, hidden_sizes=[8, 16],
        num_encoder_blocks=2, depths=[1, 2], num_attention_heads=[1, 2], mlp_ratios=[2, 2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("architecture", FOR_OTHERS)
def test_what_transformers_reads_is_told(architecture, tmp_path):
    config = MODELS[architecture]
    minivit.export(family.kind_of(config)(config), tmp_path / "model.safetensors", "Hugging Face")
    told, expected = json.loads((tmp_path / "config.json").read_text("utf-8")), FOR_OTHERS[architecture]
    assert {name: told.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(pool="gap"), "ViT or DeiT has no names for pool 'gap', only for 'cls'"),
        (dict(registers=2), "no names for registers 2, only for 0"),
        (dict(mlp="swiglu"), "no names for mlp 'swiglu', only for 'gelu'"),
        (dict(representation_size=8), "no names for representation_size 8"),
        (dict(layer_scale=1.0), "Dinov2 has no names for pool 'cls', only for 'cls_norm_gap'"),
        (dict(position="2d"), "no names for position '2d'"),
    ],
)
def test_what_transformers_has_not_is_refused(changes, said, tmp_path):
    model = minivit.ViT(ViTConfig(**TINY | changes))
    with pytest.raises(ValueError, match=f"model.safetensors cannot be written: .*{said}"):
        minivit.export(model, tmp_path / "model.safetensors", "Hugging Face")
    assert not list(tmp_path.iterdir())


def test_a_mobilevit_of_other_stages_gets_no_config(tmp_path):
    config = MobileViTConfig(
        image_size=32, classes=4, stem_width=8, widths=(8, 16), strides=(1, 2), units=(1, 1), expansions=(2, 2),
        token_widths=(0, 24), depths=(0, 1), last_width=32,
    )  # fmt: skip
    with pytest.warns(UserWarning, match="gets no config.json: transformers' MobileViT has depths"):
        minivit.export(minivit.MobileViT(config), tmp_path / "model.safetensors", "Hugging Face")
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
