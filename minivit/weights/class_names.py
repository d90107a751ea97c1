"""What a published model calls its classes: Hugging Face's id2label, timm's label_names; ImageNet's only where a file
of 1,000 classes tells of no others."""

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.imagenet import imagenet_classes
from .exporting import CLASSES, EXPORTED
from .told import read_json

PLACEHOLDER = re.compile(r"LABEL_\d+")  # Hugging Face's, where nobody gave names


def class_names_of(folder: Path, beside: Any, classes: int, replaced: bool) -> tuple[str, ...] | None:
    """The names of the K classes of a model whose weights lie in a folder; None where nothing tells them.

    beside: the metadata of its file. replaced: the head is not the file's.
    """
    if replaced or not classes:
        return None
    if isinstance(beside, Mapping) and EXPORTED in beside:
        names = json.loads(beside[CLASSES]) if CLASSES in beside else None
    else:
        names = _in_config(read_json(folder / "config.json"), classes)
    if names is None:
        return None
    if len(names) != classes:
        warnings.warn(
            f"{folder / 'config.json'} names {len(names)} classes, the model has {classes}: they stay numbers",
            stacklevel=3,
        )
        return None
    return tuple(map(str, names))


def _in_config(config: dict[str, Any], classes: int) -> list[str] | tuple[str, ...] | None:
    if isinstance(labels := config.get("id2label"), dict) and labels:
        try:
            names = [str(name) for _, name in sorted((int(number), name) for number, name in labels.items())]
        except ValueError as error:
            raise ValueError(f"config.json has an id2label whose keys are no numbers: {error}") from error
        return None if all(PLACEHOLDER.fullmatch(name) for name in names) else names
    for place in (config, config.get("pretrained_cfg", {})):
        if isinstance(place, dict) and isinstance(names := place.get("label_names"), list) and names:
            described = place.get("label_descriptions")
            return [described.get(name, name) for name in names] if isinstance(described, dict) else names
    return imagenet_classes() if classes == len(imagenet_classes()) else None
