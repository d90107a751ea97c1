"""print(model.layers): every parameter once, with its shape, and counts that add up."""

import re

import pytest

from minivit import ViT, ViTConfig, count_parameters
from minivit.layers import Chain, Op, Parameter, Peek
from minivit.layers.parts import dense
from minivit.model import parameter_shapes
from minivit.model.vit import vit
from minivit.proof import CONFIGS


def shown(text):
    """Names with the shapes that stand behind them; ".bias" is what the last name before it has, too."""
    found, stem = [], ""
    for name, shape in re.findall(r"([\w.]+) (\([\d, ]*\))(?! fixed)", text):
        full = stem + name if name.startswith(".") else name
        stem = full.rpartition(".")[0]
        found.append((full, tuple(int(side) for side in re.findall(r"\d+", shape))))
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_every_parameter_once_with_its_shape_and_counts_that_add_up(name):
    config = CONFIGS[name]
    text = str(vit(config))
    entries = shown(text)
    assert dict(entries) == parameter_shapes(config)
    assert len(entries) == len(parameter_shapes(config))
    *lines, total = text.splitlines()
    counts = [int(line.split()[-1].replace(",", "")) for line in lines if re.search(r"  [\d,]+$", line)]
    assert total.split() == ["parameters", f"{count_parameters(config):,}"] and sum(counts) == count_parameters(config)
    assert "Chain" not in text


def test_a_plain_vits_table():
    model = ViT(ViTConfig(image_size=28, patch_size=14, channels=1, classes=10, width=16, depth=2, heads=2))
    expected = """\
patchify(patch_size=(14, 14))
linear                                  patch_embed.proj.weight (196, 16), .bias (16,)    3,152
prepend                                 cls_token (1, 1, 16)                                 16
add_position                            pos_embed (1, 5, 16)                                 80
Residual
  layernorm(eps=1e-06)                  blocks.0.norm1.weight (16,), .bias (16,)             32
  linear                                blocks.0.attn.qkv.weight (16, 48), .bias (48,)      816
  self_attention(heads=2)
  linear                                blocks.0.attn.proj.weight (16, 16), .bias (16,)     272
Residual
  layernorm(eps=1e-06)                  blocks.0.norm2.weight (16,), .bias (16,)             32
  linear                                blocks.0.mlp.fc1.weight (16, 64), .bias (64,)     1,088
  gelu(kind=erf)
  linear                                blocks.0.mlp.fc2.weight (64, 16), .bias (16,)     1,040
Residual
  layernorm(eps=1e-06)                  blocks.1.norm1.weight (16,), .bias (16,)             32
  Let blocks.1.attn.kv =
      linear_columns(columns=(16, 48))  blocks.1.attn.qkv.weight (16, 48), .bias (48,)      816
    tokens(stop=1)
    linear_columns(columns=(0, 16))     blocks.1.attn.qkv.weight, .bias
    cross_attention(heads=2)            blocks.1.attn.kv
    linear                              blocks.1.attn.proj.weight (16, 16), .bias (16,)     272
  shortcut
    tokens(stop=1)
Residual
  layernorm(eps=1e-06)                  blocks.1.norm2.weight (16,), .bias (16,)             32
  linear                                blocks.1.mlp.fc1.weight (16, 64), .bias (64,)     1,088
  gelu(kind=erf)
  linear                                blocks.1.mlp.fc2.weight (64, 16), .bias (16,)     1,040
pool(kind=cls, prefix=1)
layernorm(eps=1e-06)                    norm.weight (16,), .bias (16,)                       32
linear                                  head.weight (16, 10), .bias (10,)                   170
parameters                                                                               10,010"""
    assert str(model.layers) == expected


def test_branches_values_constants_and_buffers_are_told():
    text = str(vit(CONFIGS["distilled, registers, 2d"]))
    assert "Let pos_embed =\n    Value" in text and re.search(r"\n  add_position +pos_embed\n", text)
    assert re.search(r"\nFork\n  branch\n    tokens\(stop=1\)\n    linear +head\.weight", text)
    relative = str(vit(CONFIGS["relative"]))
    assert re.search(r"relative_bias +relative_index.2x3.7 \(7, 7\) fixed\n", relative)
    layer = Chain(Op("mean", Parameter("mean", (4,), buffer=True)), Peek("here"), dense("fc", 4, 2), dense("fc", 4, 2))
    assert str(layer).splitlines() == [
        "mean          mean (4,) buffer",
        "Peek('here')",
        "linear        fc.weight (4, 2), .bias (2,)  10",
        "linear        fc.weight, .bias",
        "parameters                                  10",
    ]


@pytest.mark.parametrize("changes", [{}, {"position": "relative"}])
@pytest.mark.parametrize("name", ["ViT-B/16", "ViT-H/14", "R50+ViT-B/16"])
def test_the_largest_models_fit_120_columns(name, changes):
    assert max(map(len, str(vit(ViTConfig.from_name(name, **changes))).splitlines())) <= 120
