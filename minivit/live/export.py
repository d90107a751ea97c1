"""The page as one file that needs no Python: a plain ViT's weights in it, and its forward in JavaScript.

What a backward is needed for (the gradient on the pixels, steps of training) is absent, and the page says so. Nothing
is fetched: a policy in the page forbids it to ask for anything.
"""

import base64
import math
import os
from typing import Any

import numpy as np

from ..data import load_mnist
from ..files import atomic_write
from ..model import ViT, ViTConfig
from .about import about
from .page import asset, embedded
from .session import check_model, reads_mnist
from .walk import source_of, walk

DIGITS = 40  # test digits in the page
ABSENT = {
    "gradient": "This needs a backward, and this page is a file that has the forward alone. Python has both: "
    "`python -m minivit live`.",
    "train": "Learning needs a backward and an optimiser, and this page is a file that has the forward alone. Python "
    "has all three: `python -m minivit live`.",
}
# What a plain ViT's configuration has: other values need other operations than forward.js knows.
PLAIN: dict[str, tuple] = {
    "pool": ("cls",),
    "distilled": (False,),
    "registers": (0,),
    "representation_size": (None,),
    "position": ("1d",),
    "attention": ("full",),
    "mlp": ("gelu",),
    "qkv_bias": (True,),
    "layer_scale": (None,),
    "stem": (None,),
}


def export_page(model: Any, path: str | os.PathLike) -> int:
    """Write the page with a model inside, and return its size in bytes.

    Raises TypeError or ValueError, naming what differs, for what is no plain ViT of digits; OSError where the file
    cannot be written.
    """
    content = exported_page(model).encode()
    with atomic_write(path) as file:
        file.write(content)
    return len(content)


def exported_page(model: Any) -> str:
    """The page as text."""
    check_plain(model)
    scripts = "\n".join(
        asset(name).replace("export default { render };", "").replace("export function", "function")
        for name in ("forward.js", "exported.js", "live.js")
    )
    page = asset("exported.html").replace("{css}", asset("live.css")).replace("{inside}", embedded(inside(model)))
    return page.replace("{scripts}", scripts)


def check_plain(model: Any) -> None:
    """Raise TypeError or ValueError for a model that forward.js is not the forward of."""
    check_model(model)
    if not isinstance(model, ViT):
        raise TypeError(f"--export takes a plain ViT, and this is a {type(model).__name__}: without it, it is served")
    for name, plain in PLAIN.items():
        if getattr(model.config, name) not in plain:
            raise ValueError(
                f"--export takes a plain ViT, whose {name} is {plain[0]!r}, and this one's is "
                f"{getattr(model.config, name)!r}: without --export, it is served"
            )
    if model.config.patch_size[0] != model.config.patch_size[1]:
        raise ValueError(f"--export takes square patches, and these are {model.config.patch_size}")


def inside(model: ViT) -> dict[str, Any]:
    """All that the page has of the model: what exported.js reads."""
    config, params = model.config, model.numpy_params()
    declared = {parameter.name: parameter for parameter in model.layers.parameters}
    weights = np.concatenate([params[name].ravel() for name in declared]).astype("<f4")
    blank = np.zeros((1, *config.image_shape), np.uint8)
    steps = walk(model, blank)
    sources = {step.op: source_of(step.op) for step in steps}
    return {
        "about": about(model) | {"absent": ABSENT, "foot": "This page is one file. It asks the network for nothing."},
        "config": sizes(config),
        "parameters": [
            {
                "name": name,
                "size": math.prod(one.shape),
                "mean": one.mean,
                "std": 1 / math.sqrt(one.shape[0]) if one.dense else one.std,
            }
            for name, one in declared.items()
        ],
        "weights": base64.b64encode(weights.tobytes()).decode(),
        "digits": test_digits(model),
        "steps": [{"op": step.op, "reads": step.reads, "shape": step.array.shape} for step in steps],
        "sources": {op: source._asdict() for op, source in sources.items() if source},
    }


def sizes(config: ViTConfig) -> dict[str, Any]:
    """What forward.js must know of a configuration."""
    mean, std = (float(np.ravel(value)[0]) for value in (config.image_mean, config.image_std))
    same = {"heads": config.heads, "depth": config.depth, "eps": config.norm_eps, "gelu": config.gelu}
    return {"side": config.image_size[0], "patch": config.patch_size[0], "mean": mean, "std": std} | same


def test_digits(model: ViT) -> dict[str, Any]:
    """Test digits that ship, for the page to draw from."""
    if not reads_mnist(model):
        return {"pixels": "", "labels": []}
    digits = load_mnist()
    pixels = digits.test_images[:DIGITS].tobytes()
    return {"pixels": base64.b64encode(pixels).decode(), "labels": digits.test_labels[:DIGITS].tolist()}
