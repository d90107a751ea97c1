"""Google's .npz files: the ViT paper's, "How to train your ViT"'s (augreg), big_vision's, and the hybrids.

Flax has a dense weight as (in, out), as we do, and the heads' own axis in attention: query (D, H, d), out (H, d, D).
"""

from collections.abc import Mapping
from typing import Any

from ..model import ViTConfig, parameter_shapes
from .layout import Layout, Piece, Source, count_blocks, mlp_options, reshaped, same, shape_of, third
from .tensor import Tensor

PATCH = "embedding/kernel"
# How the modules of a block are numbered: all of them together (the paper's code), or each kind by itself (big_vision).
PAPER = ("LayerNorm_0", "MultiHeadDotProductAttention_1", "LayerNorm_2", "MlpBlock_3")
BIG_VISION = ("LayerNorm_0", "MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0")
KINDS = {"weight": "kernel", "bias": "bias"}
NORM_KINDS = {"weight": "scale", "bias": "bias"}


def recognise(tensors: Mapping[str, Tensor], changes: dict[str, Any]) -> Source | None:
    prefix = next((name.removesuffix(PATCH) for name in tensors if name.endswith(PATCH)), None)
    if prefix is None:
        return None
    transformer = f"{prefix}Transformer/"
    stacked = any(name.startswith(f"{transformer}encoderblock/") for name in tensors)
    block = f"{transformer}encoderblock/" if stacked else f"{transformer}encoderblock_0/"
    norm1, attention, norm2, mlp = BIG_VISION if f"{block}{BIG_VISION[1]}/query/kernel" in tensors else PAPER
    *patch_size, _, width = shape_of(tensors, prefix + PATCH, 4)
    query = shape_of(tensors, f"{block}{attention}/query/kernel", 3 + stacked)
    first = shape_of(tensors, f"{block}{mlp}/Dense_0/kernel", 2 + stacked)
    positions = next(
        (n for n in (f"{transformer}posembed_input/pos_embedding", f"{prefix}pos_embedding") if n in tensors), None
    )
    stem = _stem_options(tensors, prefix)
    options = dict(
        patch_size=tuple(patch_size),
        channels=shape_of(tensors, f"{prefix}conv_root/kernel" if stem else prefix + PATCH, 4)[2],
        classes=_width(tensors, f"{prefix}head/kernel") or 0,
        width=width,
        depth=query[0] if stacked else count_blocks(tensors, f"{transformer}encoderblock_", "/"),
        heads=query[-2],
        **mlp_options(width, first[-1], 0),
        pool="cls" if f"{prefix}cls" in tensors else "norm_gap",
        representation_size=_width(tensors, f"{prefix}pre_logits/kernel"),
        position="1d" if positions else "sincos2d",  # the waves are computed, not stored
        gelu="tanh",
        norm_eps=1e-6,
        resize_filter="bilinear",
        # The paper's code squeezes; big_vision's ImageNet recipes resize to 256 pixels and cut out the middle 224.
        squeeze=attention == PAPER[1],
        crop=1.0 if attention == PAPER[1] else 0.875,
        position_resize="bilinear_align_corners",
        image_mean=0.5,
        image_std=0.5,
        **stem,
    )
    rows = shape_of(tensors, positions, 3)[1] if positions else None
    names = {"positions": positions, "norm1": norm1, "attn": attention, "norm2": norm2, "mlp": mlp}

    def layout(config: ViTConfig, prefix_rows: bool) -> Layout:
        return _layout(config, tensors, prefix, names, stacked, prefix_rows)

    # A training run's file holds more than the image model: the optimizer's state, a text model.
    return Source(options, rows, layout, lambda name: not name.startswith(prefix))


def _layout(
    config: ViTConfig,
    tensors: Mapping[str, Tensor],
    prefix: str,
    names: Mapping[str, str | None],
    stacked: bool,
    prefix_rows: bool,
) -> Layout:
    """Each of our parameters, under the name that a function below finds for it."""
    D = config.width
    shapes = parameter_shapes(config)
    layout: Layout = {}
    for ours, shape in shapes.items():
        if ours.startswith("blocks."):
            _, i, short = ours.split(".", 2)
            pieces = _block_pieces(short, shape, config, names)
            if stacked:
                folder = f"{prefix}Transformer/encoderblock/"
                layout[ours] = [_of_stack(piece, folder, int(i), config.depth) for piece in pieces]
            else:
                folder = f"{prefix}Transformer/encoderblock_{i}/"
                layout[ours] = [Piece(folder + piece.name, piece.shape, piece.arrange, piece.at) for piece in pieces]
        elif ours == "patch_embed.proj.weight":
            layout[ours] = [reshaped(prefix + PATCH, (*config.patch_size, config.map_shape[2], D), shape)]
        elif ours == "pos_embed":
            rows = shape[1] if prefix_rows else shape[1] - config.position_prefix
            at = (slice(None), slice(shape[1] - rows, None))
            layout[ours] = [same(str(names["positions"]), (1, rows, D), at)]
        elif ours.startswith("stem."):
            layout[ours] = [_stem_piece(ours, shape, tensors, prefix)]
        else:
            layout[ours] = [same(prefix + _outside_name(ours), shape)]
    return layout


def _outside_name(ours: str) -> str:
    """Our name of what is neither in a block nor in the stem -> Google's."""
    if ours == "cls_token":
        return "cls"
    layer, _, kind = ours.rpartition(".")
    if layer == "norm":
        return f"Transformer/encoder_norm/{NORM_KINDS[kind]}"
    return {"patch_embed.proj": "embedding", "pre_logits.fc": "pre_logits"}.get(layer, layer) + f"/{KINDS[kind]}"


def _block_pieces(
    short: str, shape: tuple[int, ...], config: ViTConfig, names: Mapping[str, str | None]
) -> list[Piece]:
    """The pieces of a block's parameter, their names without the block's."""
    D, H = config.width, config.heads
    module, _, layer = short.removesuffix(".weight").removesuffix(".bias").partition(".")
    kind = short.rpartition(".")[2]
    if module in ("norm1", "norm2"):
        return [same(f"{names[module]}/{NORM_KINDS[kind]}", shape)]
    if layer == "qkv":
        theirs, ours = ((D, H, D // H), (D, D)) if kind == "weight" else ((H, D // H), (D,))
        parts = enumerate(("query", "key", "value"))
        return [reshaped(f"{names['attn']}/{part}/{KINDS[kind]}", theirs, ours, third(i, D)) for i, part in parts]
    if layer == "proj":
        return [reshaped(f"{names['attn']}/out/{KINDS[kind]}", (H, D // H, D) if kind == "weight" else shape, shape)]
    return [same(f"{names['mlp']}/{ {'fc1': 'Dense_0', 'fc2': 'Dense_1'}[layer] }/{KINDS[kind]}", shape)]


def _of_stack(piece: Piece, folder: str, i: int, depth: int) -> Piece:
    """The same piece, where the blocks are stacked along a leading axis."""
    return Piece(folder + piece.name, (depth, *piece.shape), lambda array: piece.arrange(array[i]), piece.at)


def _stem_options(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Any]:
    """The residual units of each stage, counted; {} where the file is no hybrid's."""
    root = f"{prefix}conv_root/kernel"
    if root not in tensors:
        return {}
    stages = []
    while units := count_blocks(tensors, f"{prefix}block{len(stages) + 1}/unit", "/"):
        stages.append(units)
    return {"stem": tuple(stages), "stem_width": shape_of(tensors, root, 4)[3]}


def _stem_piece(ours: str, shape: tuple[int, ...], tensors: Mapping[str, Tensor], prefix: str) -> Piece:
    """ "stem.block1.unit2.gn3.weight" -> block1/unit2/gn3/scale; old files have (1, 1, 1, C) there."""
    layer, _, kind = ours.removeprefix("stem.").rpartition(".")
    kinds = KINDS if "conv" in layer else NORM_KINDS
    name = f"{prefix}{layer.replace('.', '/')}/{kinds[kind]}"
    old = len(shape) == 1 and name in tensors and len(tensors[name].shape) == 4
    return reshaped(name, (1, 1, 1, *shape) if old else shape, shape)


def _width(tensors: Mapping[str, Tensor], kernel: str) -> int | None:
    """How many numbers come out of a dense layer, None where there is no such layer."""
    return shape_of(tensors, kernel, 2)[1] if kernel in tensors else None
