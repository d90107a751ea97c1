"""`export`: a model as a file of weights in another library's names and layouts, for that library and others.

Where each parameter lies there is the layout that the reader has, too; here it is gone through the other way.
"""

import json
import os
from pathlib import Path
from typing import Any

from .. import family
from ..messages import choices
from ..model import Model
from .hf_config import write_configs
from .layout import Layout, unfill
from .safetensors import write_safetensors

CLASSES = "minivit.classes"  # the entry for the names of its classes
EXPORTED = "minivit.config"  # the entry in the file's metadata that holds the configuration; others pass it over


def export(model: Model, path: str | os.PathLike, source: str | None = None) -> None:
    """Write a model's parameters and buffers to `path` (.safetensors) in the names and layouts of `source`, so that
    `load_pretrained` gives back the same bits (in its dtype). If not given, the first that the model has:

    BERT        "Hugging Face"
    BiT         "timm", "Hugging Face", "Google"    the last as .npz
    DeformableDETR  "authors", "Hugging Face", "Hugging Face, its own ResNet"    the second with timm's
    DETR        "authors", "Hugging Face", "Hugging Face, its own ResNet"    the second with timm's
    MAE         "authors", "Hugging Face"
    MobileViT   "timm", "Hugging Face"
    PVT         "authors", "Hugging Face", "timm"   the last has version 2 alone
    ResNet      "torchvision", "timm", "Hugging Face"
    SparseRCNN  "authors"
    Swin        "timm", "Microsoft", "Hugging Face"
    ViT         "timm", "Hugging Face"              as ViT, DeiT (distilled), or Dinov2 (layer scale)

    Only a source's letters and digits count, in either case: "huggingface" is "Hugging Face", too.

    "Hugging Face" writes config.json and preprocessor_config.json beside the weights: transformers' from_pretrained
    reads the folder of a model.safetensors.

    What follows from something else is left out, and made anew by whoever reads the file: Swin's
    relative_position_index and attn_mask, BERT's position_ids and tied copies of the word table and its bias, and
    BatchNorm's num_batches_tracked, which counts again. The file carries the configuration along, in its metadata; an
    .npz has none, so that groups and image_size must be given where they are not the usual ones.
    Raises TypeError for a model that is none of minivit's, ValueError for a source that does not have it, for another
    ending of `path`, and for what the source has no names for: of a ViT in timm, axial attention, and positions other
    than "1d"; of a MobileViT in Hugging Face, several units before a stage's tokens.
    """
    name = type(model).__name__
    if name not in family.MEMBERS or type(model) is not family.kind(name):
        raise TypeError(f"model is a {name}, expected one of {', '.join(family.MEMBERS)}")
    known = family.weights(name)
    spelt = {_letters(known_source): known_source for known_source in known.SOURCES}
    if source is None:
        source = next(iter(known.SOURCES))
    elif _letters(source) not in spelt:
        raise ValueError(f"source is {source!r}, {choices(source, known.SOURCES)}")
    else:
        source = spelt[_letters(source)]
    known.export(model, path, source)
    if source == "Hugging Face":
        write_configs(Path(path), model)


def _letters(name: object) -> str:
    """Its letters and digits alone, small."""
    return "".join(filter(str.isalnum, str(name).lower()))


def export_timm(model: Model, path: str | os.PathLike) -> None:
    """`export` in timm's names: `timm.create_model(…, checkpoint_path=path)` gives the same logits where timm has such
    a model."""
    export(model, path, "timm")


def write_exported(path: str | os.PathLike, layout: Layout, model: Any) -> None:
    """The tensors that a layout makes of a model's numbers, and its configuration. Raises ValueError for a path of
    another ending."""
    check_ending(path, ".safetensors")
    arrays = unfill(layout, model.numpy_arrays())
    metadata = {"format": "pt", EXPORTED: json.dumps(model.config.to_dict())}
    if model.class_names:
        metadata[CLASSES] = json.dumps(model.class_names)
    write_safetensors(path, arrays, metadata)


def check_ending(path: str | os.PathLike, ending: str) -> None:
    """Raise ValueError for a path of another ending."""
    if Path(path).suffix != ending:
        raise ValueError(f"{path} is to be a {ending} file: give it that ending")


def read_exported(beside: Any) -> dict[str, Any] | None:
    """The configuration that `export` put into a file's metadata, as a dict; None where there is none."""
    if not isinstance(beside, dict) or EXPORTED not in beside:
        return None
    try:
        config = json.loads(beside[EXPORTED])
        if not isinstance(config, dict):
            raise ValueError(f"it is a {type(config).__name__}, expected a dict")
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its configuration, {EXPORTED}, cannot be read: {error}") from error
    return config
