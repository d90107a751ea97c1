"""What others call the parameters of a Pyramid Vision Transformer, and in which layout they have them; for pvt.py."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..family.pvt import PVTConfig, pvt
from ..model.parameters import declared_shapes
from .layout import Layout, convolved, depthwise, torch_pieces
from .tensor import Tensor

# Where each part stands: {s} the stage, {n} the same counted from 1, {i} the block.
TIMM = {
    "first": "patch_embed",
    "embed": "stages.{s}.downsample",
    "block": "stages.{s}.blocks.{i}",
    "end": "stages.{s}.norm",
}
AUTHORS = {
    "first": "patch_embed1",
    "embed": "patch_embed{n}",
    "block": "block{n}.{i}",
    "end": "norm{n}",
    "positions": "pos_embed{n}",
}
HF1 = {
    "first": "encoder.patch_embeddings.0",
    "embed": "encoder.patch_embeddings.{s}",
    "block": "encoder.block.{s}.{i}",
    "positions": "encoder.patch_embeddings.{s}.position_embeddings",
}
HF2 = {
    "first": "encoder.layers.0.patch_embedding",
    "embed": "encoder.layers.{s}.patch_embedding",
    "block": "encoder.layers.{s}.blocks.{i}",
    "end": "encoder.layers.{s}.layer_norm",
}
# A layer's name within an embedding or a block, where it is not timm's; the authors' keys and values lie together.
HF_BLOCK = {"norm1": "layer_norm_1", "norm2": "layer_norm_2", "mlp.fc1": "mlp.dense1", "mlp.fc2": "mlp.dense2"}
HF1_LAYERS = HF_BLOCK | {
    "proj": "projection",
    "norm": "layer_norm",
    "attn.q": "attention.self.query",
    "attn.kv": ("attention.self.key", "attention.self.value"),
    "attn.sr": "attention.self.sequence_reduction",
    "attn.norm": "attention.self.layer_norm",
    "attn.proj": "attention.output.dense",
}
HF2_LAYERS = HF_BLOCK | {
    "norm": "layer_norm",
    "attn.q": "attention.query",
    "attn.kv": ("attention.key", "attention.value"),
    "attn.sr": "attention.spatial_reduction",
    "attn.norm": "attention.layer_norm",
    "attn.proj": "attention.proj",
    "mlp.dwconv": "mlp.dwconv.dwconv",
}
# Source and version: the parts, and the layers.
NAMES: dict[tuple[str, int], tuple[dict, dict]] = {
    ("timm", 2): (TIMM, {}),
    ("authors", 1): (AUTHORS, {}),
    ("authors", 2): (AUTHORS, {"mlp.dwconv": "mlp.dwconv.dwconv"}),
    ("Hugging Face", 1): (HF1, HF1_LAYERS),
    ("Hugging Face", 2): (HF2, HF2_LAYERS),
}
PREFIXES = {1: "pvt.", 2: "pvt_v2."}  # Hugging Face's, before all but the head, of a model that has one


@dataclass(frozen=True)
class Names:
    """A source's names for one version. prefix: Hugging Face's; a backbone's file has none."""

    source: str
    version: int
    prefix: str | None = None

    def of(self, ours: str, stages: int = 4) -> tuple[str, ...]:
        """Our name -> theirs; two where keys and values lie apart. stages: the class token lies in the last."""
        places, layers = NAMES[self.source, self.version]
        before = (PREFIXES[self.version] if self.prefix is None else self.prefix) if places in (HF1, HF2) else ""
        if places in (HF1, HF2):
            if ours.startswith("head."):
                return (ours.replace("head", "classifier", 1),)
            if ours == "cls_token":
                return (f"{before}encoder.patch_embeddings.{stages - 1}.cls_token",)
            if ours.startswith("norm."):
                return (before + ours.replace("norm", "encoder.layer_norm", 1),)
        part, s, i, rest = _taken_apart(ours)
        if part is None:
            return (ours,)
        place = before + places[part].format(s=s, n=s + 1, i=i)
        layer, _, kind = rest.rpartition(".")
        theirs = layers.get(layer, layer)
        theirs = theirs if isinstance(theirs, tuple) else (theirs,)
        return tuple(".".join(filter(None, (place, name, kind))) for name in theirs)


def _taken_apart(ours: str) -> tuple[str | None, int, int, str]:
    """A name of ours -> the part, its stage, its block, and what is left: a layer's name and weight or bias."""
    if ours.startswith("patch_embed."):
        return "first", 0, 0, ours.removeprefix("patch_embed.")
    if not ours.startswith("stages."):
        return None, 0, 0, ours
    _, s, part, *rest = ours.split(".")
    if part == "blocks":
        return "block", int(s), int(rest[0]), ".".join(rest[1:])
    return {"downsample": "embed", "norm": "end", "pos_embed": "positions"}[part], int(s), 0, ".".join(rest)


def whose(tensors: Mapping[str, Tensor]) -> Names | None:
    """The source and the version whose names a file has; None for those of no PVT."""
    for source, version in NAMES:
        prefixes = (PREFIXES[version], "") if source == "Hugging Face" else (None,)
        for prefix in prefixes:
            names = Names(source, version, prefix)
            ours = ["patch_embed.proj.weight", "stages.0.blocks.0.attn.q.weight"]
            ours.append("stages.0.pos_embed" if version == 1 else "stages.0.blocks.0.mlp.dwconv.weight")
            if all(names.of(name)[0] in tensors for name in ours):
                return names
    return None


def layout(config: PVTConfig, names: Names) -> Layout:
    """Where each parameter lies in such a file."""
    places: Layout = {}
    for ours, shape in declared_shapes(pvt(config)).items():
        theirs = names.of(ours, len(config.depths))
        if side := _side(config, ours):
            places[ours] = [convolved(theirs[0], (side, side), shape)]
        elif ours.endswith("dwconv.weight"):
            places[ours] = [depthwise(theirs[0], shape)]
        else:
            places[ours] = torch_pieces(theirs, shape)
    return places


def _side(config: PVTConfig, ours: str) -> int:
    """Of the convolution that a dense layer of ours is there; 0 where it is one there, too."""
    part, s, _, rest = _taken_apart(ours)
    if part in ("first", "embed") and rest == "proj.weight":
        return config.patch_sizes[s]
    return (1 if config.linear else config.reductions[s]) if rest == "attn.sr.weight" else 0
