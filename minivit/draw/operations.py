"""The box of one operation: what is written in it, and its colour. architecture.py joins boxes by a wire."""

from typing import Any

from ..inspect.canvas import BLUE, VERMILLION
from .page import EMPTY, LINE, PALE_BLUE, PALE_VERMILLION

NORMS = ("layernorm", "batchnorm", "groupnorm", "frozen_batchnorm", "weight_standardisation")
ACTIVATIONS = ("gelu", "silu", "relu")
LEARNT = ("linear", "linear_columns", "convolution", "depthwise_convolution", "embedding", "unembed")
SAID = {
    "layernorm": "layer norm", "batchnorm": "batch norm", "groupnorm": "group norm", "gelu": "GELU", "silu": "SiLU",
    "relu": "ReLU", "self_attention": "attention", "cross_attention": "attention",
    "depthwise_convolution": "depthwise", "weight_standardisation": "standardised", "to_map": "to a map",
    "overlapping_patches": "overlapping\npatches", "merge_patches": "2 × 2 merged", "global_average": "mean",
    "prepend": "class token", "add_position": "+ position", "add_fixed_position": "+ position",
    "first_positions": "+ position", "add_mask": "+ mask", "pool": "read",
    "embedding": "words", "add_embedding": "+ segment", "add_first_rows": "+ position", "unembed": "words",
    "keep_tokens": "some are kept", "restore_tokens": "mask tokens",
}  # fmt: skip


def colours(layer: Any) -> tuple[str, str]:
    """(inside, edge) of a layer's box: grey for norms, blue for what is learnt, red where tokens look."""
    op = getattr(layer, "op", None)
    if op is None:
        return (PALE_BLUE, BLUE) if type(layer).__name__ == "Let" else (EMPTY, "white")
    if op in NORMS:
        return EMPTY, LINE
    if op.endswith("attention"):
        return PALE_VERMILLION, VERMILLION
    return (PALE_BLUE, BLUE) if op in LEARNT else ("white", LINE)


def title(layer: Any) -> str:
    """What is written in a layer's box: "3 × 3, / 2" and "64 → 128" under it; for a parameter its last name."""
    if not hasattr(layer, "op"):
        if layer.parameters and len(layer.parameters[0].shape) == 4:
            return "{} × {}\n{} → {}".format(*layer.parameters[0].shape)
        name = layer.reads[0].rpartition(".")[2] if hasattr(layer, "reads") else repr(layer)
        return name.removeprefix("relative_position_").replace("_", " ")
    name, options = SAID.get(layer.op, layer.op.replace("_", " ")), layer.options
    shape = layer.parameters[0].shape if layer.parameters else ()
    if layer.op == "convolution" and shape:
        return convolution(shape, options)
    if layer.op == "depthwise_convolution" and shape:
        return "depthwise\n{} × {}".format(*shape) + _by(options)
    if layer.op == "linear_columns":
        return f"linear {shape[0]} → {options['columns'][1] - options['columns'][0]}"
    if layer.op == "linear" and len(shape) == 2:
        return "linear {} → {}".format(*shape)
    if layer.op.endswith("attention") and "heads" in options:
        return f"{name}, {options['heads']} head{'s' * (options['heads'] > 1)}"
    if layer.op == "windows":
        return "windows {} × {}".format(*options["window"]) + ",\nshifted" * any(options["shift"])
    if layer.op == "pool":
        return {"cls": "class token", "gap": "mean"}.get(options.get("kind", ""), name)
    if layer.op == "patchify":
        return "patches\n{} × {}".format(*options["patch_size"])
    return name


def _moves(op: str) -> bool:
    """Whether an operation only puts numbers in other places."""
    return op in ("to_map", "to_tokens", "crop", "patchify", "overlapping_patches", "resample", "unfold", "fold",
                  "unwindows", "merge_patches", "tokens")  # fmt: skip


def joins(column: list[Any], layer: Any) -> bool:
    """Whether an operation stands in one column with those before it: a product, its norm and its activation; the
    products around an attention or an activation; what only moves numbers."""
    first, last = column[0].op, column[-1].op
    if layer.op in ACTIVATIONS:
        return last in NORMS or last in LEARNT
    if layer.op in ("batchnorm", "groupnorm", "frozen_batchnorm"):
        return last in LEARNT
    if layer.op.endswith("attention"):
        return last == "linear"
    plain = first == "linear" and not any(part.op in NORMS for part in column)
    if layer.op == "linear":
        return plain and (last in ACTIVATIONS or last.endswith("attention"))
    return _moves(layer.op) and (_moves(last) or (last == "linear" and len(column) < 3))


def standardised(value: list[Any]) -> bool:
    """Whether what a Let names is a convolution's weight with mean 0 and variance 1, which is drawn as one with it."""
    return len(value) == 2 and getattr(value[1], "op", "") == "weight_standardisation"


def weight_title(let: Any) -> str:
    """What is written in the box of such a Let: its convolution's, whose weight is another's."""
    body = let.body.parts[0] if hasattr(let.body, "parts") and let.body.parts else let.body
    return convolution(let.parameters[0].shape, body.options)


def convolution(shape: tuple[int, ...], options: dict[str, Any]) -> str:
    return "{} × {}{by}\n{} → {}".format(*shape, by=_by(options))


def _by(options: dict[str, Any]) -> str:
    """ ", / 2" where there is a stride."""
    stride = options.get("stride", 1)
    return "" if stride in (1, (1, 1)) else f", / {stride}"
