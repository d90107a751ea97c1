"""What Hugging Face calls the parameters of a MobileViT (timm's names are ours), and how they lie; for mobilevit.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..family.mobilevit import MobileViTConfig, mobilevit
from ..model.parameters import declared_shapes
from .layout import Layout, convolved, count_blocks, depthwise, torch_pieces
from .tensor import Tensor

STEM = {"stem": "conv_stem", "final_conv": "conv_1x1_exp"}
UNIT = {"conv1_1x1": "expand_1x1", "conv2_kxk": "conv_3x3", "conv3_1x1": "reduce_1x1"}
BLOCK = {"conv_kxk": "conv_kxk", "conv_proj": "conv_projection", "conv_fusion": "fusion"}
WITHIN = {"conv": "convolution", "bn": "normalization"}
TRANSFORMER = {
    "norm1": ("layernorm_before",),
    "attn.qkv": tuple(f"attention.attention.{part}" for part in ("query", "key", "value")),
    "attn.proj": ("attention.output.dense",),
    "norm2": ("layernorm_after",),
    "mlp.fc1": ("intermediate.dense",),
    "mlp.fc2": ("output.dense",),
}


@dataclass(frozen=True)
class Names:
    """A source's names. prefix: Hugging Face's, before all but the classifier; a backbone's file has none."""

    source: str
    prefix: str = "mobilevit."

    def of(self, ours: str, has_block: bool = False) -> tuple[str, ...]:
        """Our name -> theirs; three where queries, keys and values lie apart. has_block: whether its stage has tokens,
        for Hugging Face calls the one unit before them another name."""
        if self.source == "timm":
            return (ours,)
        if ours.startswith("head.fc."):
            return (ours.replace("head.fc", "classifier", 1),)
        first, *rest = ours.split(".")
        if first in STEM:
            return (f"{self.prefix}{STEM[first]}.{WITHIN[rest[0]]}.{rest[1]}",)
        s, j, part, *rest = rest
        layer = f"{self.prefix}encoder.layer.{s}."
        if part in UNIT:
            layer += "downsampling_layer" if has_block else f"layer.{j}"
            return (f"{layer}.{UNIT[part]}.{WITHIN[rest[0]]}.{rest[1]}",)
        if part in BLOCK:
            return (f"{layer}{BLOCK[part]}.{WITHIN[rest[0]]}.{rest[1]}",)
        if part == "transformer":
            i, *inner, kind = rest
            return tuple(f"{layer}transformer.layer.{i}.{name}.{kind}" for name in TRANSFORMER[".".join(inner)])
        if part == "norm":
            return (f"{layer}layernorm.{rest[0]}",)
        return (f"{layer}conv_1x1.convolution.{rest[0]}",)

    def blocks(self, tensors: Mapping[str, Tensor]) -> list[bool]:
        """For each stage whether it ends in tokens."""
        before = "stages." if self.source == "timm" else f"{self.prefix}encoder.layer."
        word = "norm.weight" if self.source == "timm" else "layernorm.weight"
        numbers = range(max(1, count_blocks(tensors, before, ".")))
        return [any(name.startswith(f"{before}{s}.") and self._ends(name, word) for name in tensors) for s in numbers]

    def _ends(self, name: str, word: str) -> bool:
        """Whether a name is that of the norm behind a stage's transformer: stages.2.1.norm.weight in timm."""
        return name.endswith(f".{word}") and "transformer" not in name and "normalization" not in name

    def units(self, tensors: Mapping[str, Tensor], has_blocks: list[bool]) -> list[int]:
        """How many units each stage has."""
        if self.source == "timm":
            return [
                sum(name.startswith(f"stages.{s}.") and name.endswith(".conv1_1x1.conv.weight") for name in tensors)
                for s in range(len(has_blocks))
            ]
        return [
            1 if has_block else count_blocks(tensors, f"{self.prefix}encoder.layer.{s}.layer.", ".")
            for s, has_block in enumerate(has_blocks)
        ]

    def depth(self, tensors: Mapping[str, Tensor], s: int, units: int) -> int:
        """How many transformer blocks a stage has."""
        if self.source == "timm":
            return count_blocks(tensors, f"stages.{s}.{units}.transformer.", ".")
        return count_blocks(tensors, f"{self.prefix}encoder.layer.{s}.transformer.layer.", ".")


def whose(tensors: Mapping[str, Tensor]) -> Names | None:
    """The source whose names a file has; None for those of no MobileViT."""
    for names in (Names("timm"), Names("Hugging Face"), Names("Hugging Face", "")):
        wanted = ("stem.conv.weight", "final_conv.conv.weight")
        units = [names.of("stages.0.0.conv2_kxk.conv.weight", has_block)[0] for has_block in (False, True)]
        if all(names.of(name)[0] in tensors for name in wanted) and any(name in tensors for name in units):
            return names
    return None


def layout(config: MobileViTConfig, names: Names) -> Layout:
    """Where each parameter and running statistic lies in such a file. Raises ValueError where it has no name there."""
    stages, places = config.stages, {}
    if names.source == "Hugging Face":
        for s, stage in enumerate(stages):
            if stage.d and stage.units != 1:
                raise ValueError(
                    f"Hugging Face has no names for the {stage.units} units of stage {s} before its tokens"
                )
    for ours, shape in declared_shapes(mobilevit(config)).items():
        has_block = ours.startswith("stages.") and bool(stages[int(ours.split(".")[1])].d)
        theirs = names.of(ours, has_block)
        if ours.endswith("conv2_kxk.conv.weight"):
            places[ours] = [depthwise(theirs[0], shape)]
        elif len(shape) == 2 and ours.endswith((".conv.weight", "conv_1x1.weight")):
            places[ours] = [convolved(theirs[0], (1, 1), shape)]
        else:
            places[ours] = torch_pieces(theirs, shape)
    return places
