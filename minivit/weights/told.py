"""What stands beside a file of weights: Hugging Face's config.json and preprocessor_config.json, timm's config.json."""

import json
import math
import os
from pathlib import Path
from typing import Any

LIMIT = 2**24  # bytes; 21,843 class names take 2 MB
GELUS = {"gelu": "erf", "gelu_python": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh", "gelu_fast": "tanh"}
EXACT = tuple(name for name, kind in GELUS.items() if kind == "erf")
FILTERS = {2: "bilinear", 3: "bicubic"}  # Pillow's numbers
# Hugging Face's names of what the tensors tell too: a file of another model lies beside these weights if they differ.
SIZES = {"hidden_size": "width", "num_hidden_layers": "depth", "num_channels": "channels"}


def read_told(folder: Path, options: dict[str, Any]) -> tuple[dict[str, Any], Any, Any]:
    """What the folder's JSON files say of a model whose tensors gave `options`.

    Returns options that are surer, the image_size of its positions, and that of its preprocessing; None where not told.
    Raises ValueError for files that cannot be read or belong to another model.
    """
    config, preprocessor = (read_json(folder / name) for name in ("config.json", "preprocessor_config.json"))
    if "pretrained_cfg" in config:
        return {name: value for name, value in read_timm(folder).items() if name != "image_size"}, None, None
    if "hidden_size" not in config:
        return {}, None, None
    check_told(config, {theirs: options[ours] for theirs, ours in SIZES.items()}, "the tensors have")
    told, size = preprocessing(preprocessor)
    return _hugging_face(config, options) | told, pair(config.get("image_size")), size


def read_hugging_face(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Hugging Face's config.json as it stands, {} where there is none; and options: what preprocessor_config.json says,
    and the image_size, the model's, else that of the preprocessing."""
    config = read_json(folder / "config.json")
    told, size = preprocessing(read_json(folder / "preprocessor_config.json"))
    size = pair(config.get("image_size")) or size
    return config, told | ({"image_size": size} if size else {})


def check_told(config: dict[str, Any], expected: dict[str, Any], whose: str = "expected") -> None:
    """Raise ValueError where config.json has something else than this under these names. Lists are tuples here."""
    for name, value in expected.items():
        told = config.get(name, value)
        if (tuple(told) if isinstance(told, list) else told) != value:
            raise ValueError(f"config.json has {name} {told!r}, {whose} {value!r}")


def _hugging_face(config: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    told = {}
    for theirs, ours in (("num_attention_heads", "heads"), ("layer_norm_eps", "norm_eps")):
        if theirs in config:
            told[ours] = config[theirs]
    if options["layer_scale"] is not None and "layerscale_value" in config:
        told["layer_scale"] = config["layerscale_value"]
    return told | ({"gelu": read_gelu(config)} if options["mlp"] == "gelu" else {})


def read_gelu(config: dict[str, Any], known: tuple[str, ...] = tuple(GELUS)) -> str:
    """Which GELU config.json asks for, "erf" or "tanh". Raises ValueError where it is none of the known."""
    activation = config.get("hidden_act", "gelu")
    if activation not in known:
        raise ValueError(f"config.json has hidden_act {activation!r}, expected one of {', '.join(known)}")
    return GELUS[activation]


def preprocessing(told: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Options, and the size of the images that come out."""
    options = {name: tuple(told[name]) for name in ("image_mean", "image_std") if isinstance(told.get(name), list)}
    if told.get("do_normalize") is False:  # the numbers may stand there all the same, unused
        options |= {"image_mean": 0.0, "image_std": 1.0}
    if told.get("resample") in FILTERS:
        options["resize_filter"] = FILTERS[told["resample"]]
    resized, cut = pair(told.get("size")), pair(told.get("crop_size"))
    if isinstance(told.get("crop_pct"), float):  # of what is resized to more than its size
        return options | {"crop": told["crop_pct"], "squeeze": False}, resized
    if resized:
        options["squeeze"] = not (isinstance(told["size"], dict) and "shortest_edge" in told["size"])
    if resized and cut and told.get("do_center_crop", True):
        return options | {"crop": min(1.0, _part(cut[0], resized[0]))}, cut
    return options | ({"crop": 1.0} if resized else {}), resized


def _part(cut: int, resized: int) -> float:
    """cut / resized, so that floor(cut / part) is `resized` again, whichever way the division was rounded."""
    part = cut / resized
    return part if math.floor(cut / part) == resized else math.nextafter(part, 0)


def read_timm(folder: Path) -> dict[str, Any]:
    """The options that timm's config.json in this folder tells, image_size among them; {} where there is none."""
    config = read_json(folder / "config.json").get("pretrained_cfg", {})
    names = {"mean": "image_mean", "std": "image_std", "interpolation": "resize_filter", "crop_pct": "crop"}
    told = {ours: config[theirs] for theirs, ours in names.items() if theirs in config}
    if "crop_mode" in config:
        told["squeeze"] = config["crop_mode"] == "squash"
    size = config.get("input_size")  # channels, height, width
    options = {name: tuple(value) if isinstance(value, list) else value for name, value in told.items()}
    size = pair(size[1:] if isinstance(size, list) else None)
    return options | ({"image_size": size} if size else {})


def pair(size: Any) -> tuple[int, int] | None:
    """224, [224, 224], {"height": 224, "width": 224} or {"shortest_edge": 256} -> (height, width)."""
    if isinstance(size, dict):
        size = size.get("shortest_edge") or [size.get("height"), size.get("width")]
    sides = size if isinstance(size, list) else [size, size]
    return tuple(sides) if len(sides) == 2 and all(type(side) is int and side > 0 for side in sides) else None


def read_json(path: Path) -> dict[str, Any]:
    """The file's contents, {} where there is none."""
    try:
        if os.path.getsize(path) > LIMIT:
            raise ValueError(f"it has {os.path.getsize(path):,} bytes, expected at most {LIMIT:,}")
        contents = json.loads(path.read_bytes())
        if not isinstance(contents, dict):
            raise ValueError(f"it is a {type(contents).__name__}, expected a dict")
        return contents
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
