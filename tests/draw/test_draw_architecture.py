"""A model's layers, drawn: everything that runs is in the picture, and nothing lies on anything else."""

import re

import pytest
from matplotlib.patches import Circle, FancyBboxPatch

import minivit
from minivit import draw, family
from minivit.draw.wire import GAP
from minivit.layers import Chain, Fork, Let, Op, Parameter, Residual, Value
from minivit.layers.parts import attention, dense, mlp, norm
from minivit.train.recipes import ARCHITECTURES, recipe


def texts(picture):
    return [text.get_text().replace("\n", " ") for text in picture.figure.axes[0].texts if text.get_text()]


def boxes(picture):
    """(left, top, right, bottom) of every box with something written in it: a frame is none."""
    found = []
    for patch in picture.figure.axes[0].patches:
        if isinstance(patch, FancyBboxPatch) and patch.get_fill():
            x, y = patch.get_x(), patch.get_y()
            found.append((x, y, x + patch.get_width(), y + patch.get_height()))
    return found


def block(name, D=8, M=16):
    return Chain(
        Residual(norm(f"{name}.norm1", D), attention(f"{name}.attn", D, 2)),
        Residual(norm(f"{name}.norm2", D), mlp(f"{name}.mlp", D, M)),
    )


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_no_box_of_a_model_lies_on_another(name):
    config, _ = recipe(name, None, "digits")
    picture = draw.layers(family.kind_of(config)(config).layers, alt="a model")
    drawn = boxes(picture)
    assert len(drawn) >= 15
    for i, (left, top, right, bottom) in enumerate(drawn):
        for other in drawn[i + 1 :]:
            apart = right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
            assert apart, (drawn[i], other)
    assert "linear" in texts(picture)[-1] and texts(picture)[-1].endswith("→ 10")


def test_what_comes_again_is_drawn_once_and_its_number_said():
    picture = draw.layers(Chain(*(block(f"blocks.{i}") for i in range(3)), norm("norm", 8)), alt="three blocks")
    assert [t for t in texts(picture) if re.match("× ", t)] == ["× 3"]
    assert texts(picture).count("attention, 2 heads") == 1
    other = draw.layers(Chain(block("blocks.0"), block("blocks.1", M=24)), alt="two blocks that differ")
    assert not [t for t in texts(other) if re.match("× ", t)] and texts(other).count("attention, 2 heads") == 2


def test_operations_that_belong_together_stand_in_one_column():
    picture = draw.layers(dense("fc1", 8, 16), Op("gelu"), dense("fc2", 16, 8), norm("norm", 8), alt="an MLP")
    (fc1, gelu, fc2, normed) = boxes(picture)
    assert fc1[0] == gelu[0] == fc2[0] and fc1[1] < gelu[1] < fc2[1] and normed[0] > fc2[2]


def test_a_shortcut_stands_above_and_what_is_named_below():
    bare = draw.layers(Residual(dense("fc", 8, 8)), alt="a residual")
    assert texts(bare) == ["linear 8 → 8", "+"]
    rest = draw.layers(Residual(dense("fc", 8, 16), shortcut=dense("short", 8, 16)), alt="a residual")
    fc, short = boxes(rest)
    assert short[3] < fc[1]
    look = Op("cross_attention", "kv", heads=2)
    named = draw.layers(Let("kv", dense("kv", 8, 16), look), alt="keys and values below")
    looks, kv = boxes(named)
    assert kv[1] > looks[3] and looks[0] + looks[2] > kv[2]  # the arrow goes up, to the right of what it starts from
    table = Parameter("bias_table", (4, 2))
    own = draw.layers(Let("bias", Value(table), Op("self_attention", "bias", heads=2)), alt="a bias below")
    looks, bias = boxes(own)
    assert bias[1] > looks[3] and abs((looks[0] + looks[2]) - (bias[0] + bias[2])) < 1e-9  # right under it


def test_branches_of_a_fork_stand_above_each_other():
    picture = draw.layers(Fork(Chain(), dense("fc", 8, 8), norm("norm", 8)), alt="three branches")
    assert texts(picture)[-1] == "‖"
    fc, normed = boxes(picture)
    assert fc[3] < normed[1]
    assert sum(isinstance(patch, Circle) for patch in picture.figure.axes[0].patches) == 1


def test_what_is_wider_than_the_paper_goes_on_in_the_next_row():
    many = [Op("dropout", rate=0.1, noise=True) for _ in range(30)]
    picture = draw.layers(*many, alt="thirty of them")
    tops = {round(box[1], 6) for box in boxes(picture)}
    assert len(boxes(picture)) == 30 and len(tops) > 1 and picture.width <= 800
    assert min(box[0] for box in boxes(picture)) >= GAP  # a bit of wire before the first of each row


def test_layers_too_wide_to_be_read_are_refused():
    detector = minivit.DETR.from_name("DETR-digits")
    with pytest.raises(ValueError, match=r"inches wide and cannot be put in rows, .*draw a part"):
        draw.layers(detector.layers, alt="a detector")


def test_a_picture_says_what_it_shows():
    model = minivit.ViT(minivit.ViTConfig(image_size=8, patch_size=4, channels=1, classes=3, width=8, depth=1, heads=2))
    with pytest.raises(ValueError, match="alt"):
        draw.layers(model.layers, alt="")
