"""What timm, torchvision and Hugging Face have in common: PyTorch's layouts under different names."""

from collections.abc import Callable

from ..model import ViTConfig, parameter_shapes
from .layout import Layout, convolved, same, torch_pieces

IMAGENET = {"image_mean": (0.485, 0.456, 0.406), "image_std": (0.229, 0.224, 0.225)}
HALF = {"image_mean": 0.5, "image_std": 0.5}


def normalisation(options: dict, channels: int) -> dict:
    """ImageNet's mean and deviation are those of three channels."""
    return options if channels == 3 else HALF


def torch_layout(config: ViTConfig, prefix_rows: bool, rename: Callable[[str], str | tuple[str, str, str]]) -> Layout:
    """Each of our parameters in PyTorch's layout, as `rename` calls it; three names where q, k and v lie apart."""
    layout: Layout = {}
    for ours, shape in parameter_shapes(config).items():
        theirs = rename(ours)
        if ours == "patch_embed.proj.weight":
            layout[ours] = [convolved(theirs, config.patch_size, shape)]
        elif ours == "pos_embed" and not prefix_rows:
            rows = (1, shape[1] - config.position_prefix, config.width)
            layout[ours] = [same(theirs, rows, (slice(None), slice(config.position_prefix, None)))]
        else:
            layout[ours] = torch_pieces(theirs, shape)
    return layout


def renamer(names: dict[str, str | tuple], block: str, block_names: dict[str, str | tuple]) -> Callable:
    """A function from our names to theirs. `block` has {i} where the block's number goes; keys are our names or, for a
    layer's weight and bias, what stands before them. A tuple names q, k and v.
    """

    def look_up(name: str, table: dict[str, str | tuple]) -> str | tuple:
        if name in table:
            return table[name]
        layer, dot, kind = name.rpartition(".")
        theirs = table.get(layer, layer)
        return tuple(part + dot + kind for part in theirs) if isinstance(theirs, tuple) else theirs + dot + kind

    def rename(ours: str) -> str | tuple:
        if not ours.startswith("blocks."):
            return look_up(ours, names)
        _, i, short = ours.split(".", 2)
        theirs, prefix = look_up(short, block_names), block.format(i=i)
        return tuple(prefix + part for part in theirs) if isinstance(theirs, tuple) else prefix + theirs

    return rename
