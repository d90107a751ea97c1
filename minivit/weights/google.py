"""Google's .npz files: the ViT paper's, "How to train your ViT"'s (augreg), big_vision's, and the hybrids.

Flax has a dense weight as (in, out), as we do, and the heads' own axis in attention: query (D, H, d), out (H, d, D).
"""

from collections.abc import Mapping
from typing import Any

from ..model import ViTConfig, parameter_shapes
from .layout import Layout, Piece, Source, beside, count_blocks, mlp_options, reshaped, same, shape_of
from .tensor import Tensor

PATCH = "embedding/kernel"
# How the modules of a block are numbered: all of them together (the paper's code), or each kind by itself (big_vision).
PAPER = ("LayerNorm_0", "MultiHeadDotProductAttention_1", "LayerNorm_2", "MlpBlock_3")
BIG_VISION = ("LayerNorm_0", "MultiHeadDotProductAttention_0", "LayerNorm_1", "MlpBlock_0")
KINDS = {"weight": "kernel", "bias": "bias"}
NORM_KINDS = {"weight": "scale", "bias": "bias"}


def recognise(tensors: Mapping[str, Tensor]) -> Source | None:
    prefix = next((name.removesuffix(PATCH) for name in tensors if name.endswith(PATCH)), None)
    if prefix is None:
        return None
    stacked, names = _dialect(tensors, prefix)
    options = _options(tensors, prefix, stacked, names)
    rows = shape_of(tensors, names["positions"], 3)[1] if names["positions"] else None

    def layout(config: ViTConfig, prefix_rows: bool) -> Layout:
        return _layout(config, tensors, prefix, names, stacked, prefix_rows)

    # A training run's file holds more than the image model: the optimizer's state, a text model.
    return Source(options, rows, layout, lambda name: not name.startswith(prefix))


def _dialect(tensors: Mapping[str, Tensor], prefix: str) -> tuple[bool, dict[str, str | None]]:
    """Whether the blocks are stacked along a leading axis, and the names of a block's modules and the positions."""
    transformer = f"{prefix}Transformer/"
    stacked = any(name.startswith(f"{transformer}encoderblock/") for name in tensors)
    block = _first_block(prefix, stacked)
    modules = BIG_VISION if f"{block}{BIG_VISION[1]}/query/kernel" in tensors else PAPER
    places = (f"{transformer}posembed_input/pos_embedding", f"{prefix}pos_embedding")
    positions = next((name for name in places if name in tensors), None)
    return stacked, dict(zip(("norm1", "attn", "norm2", "mlp"), modules, strict=True)) | {"positions": positions}


def _first_block(prefix: str, stacked: bool) -> str:
    return f"{prefix}Transformer/encoderblock{'' if stacked else '_0'}/"


def _options(
    tensors: Mapping[str, Tensor], prefix: str, stacked: bool, names: Mapping[str, str | None]
) -> dict[str, Any]:
    """Sizes from the tensors' shapes, and what Google's code does by convention."""
    *patch_size, _, width = shape_of(tensors, prefix + PATCH, 4)
    block = _first_block(prefix, stacked)
    query = shape_of(tensors, f"{block}{names['attn']}/query/kernel", 3 + stacked)
    first = shape_of(tensors, f"{block}{names['mlp']}/Dense_0/kernel", 2 + stacked)
    stem = _stem_options(tensors, prefix)
    papers = names["attn"] == PAPER[1]
    return dict(
        patch_size=tuple(patch_size),
        channels=shape_of(tensors, f"{prefix}conv_root/kernel" if stem else prefix + PATCH, 4)[2],
        classes=_width(tensors, f"{prefix}head/kernel") or 0,
        width=width,
        depth=query[0] if stacked else count_blocks(tensors, f"{prefix}Transformer/encoderblock_", "/"),
        heads=query[-2],
        **mlp_options(width, first[-1], 0),
        pool="cls" if f"{prefix}cls" in tensors else "norm_gap",
        representation_size=_width(tensors, f"{prefix}pre_logits/kernel"),
        position="1d" if names["positions"] else "sincos2d",  # the waves are computed, not stored
        gelu="tanh",
        norm_eps=1e-6,
        stem_eps="google",
        # The paper's code squeezes; big_vision's ImageNet recipes resize to 256 pixels and cut out the middle 224.
        squeeze=papers,
        crop=1.0 if papers else 0.875,
        resize_filter="bilinear",
        position_resize="bilinear_align_corners",
        image_mean=0.5,
        image_std=0.5,
        **stem,
    )


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
        return [reshaped(f"{names['attn']}/{part}/{KINDS[kind]}", theirs, ours, beside(i, D)) for i, part in parts]
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
