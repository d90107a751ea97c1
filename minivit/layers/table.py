"""print(model.layers): every layer with its parameters, their shapes, and how many numbers that is.

Residual
  layernorm(eps=1e-06)      blocks.0.norm1.weight (64,), .bias (64,)               128
  linear                    blocks.0.attn.qkv.weight (64, 192), .bias (192,)    12,480
  self_attention(heads=4)
"""

import math
from collections.abc import Iterator
from typing import Any

Row = tuple[str, str, int]  # the layer, what it reads, how many numbers training changes there


class Shown:
    """What joins other layers: print(layer) shows its table, repr(layer) all of it on one line."""

    parts: tuple[Any, ...]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.parts))})"

    def __str__(self) -> str:
        return table(self)


def table(layer: Any) -> str:
    """A line a layer, those inside another one indented; in the end the number of parameters.

    A parameter is shown and counted where it is read first; whoever reads it again, or what Let has named, shows no
    more than the name. Constants and buffers are marked, and not counted. Options that are off are left out.
    """
    rows = list(_rows(layer, 0, set()))
    rows.append(("parameters", "", sum(count for _, _, count in rows)))
    counts = [f"{count:,}" if count else "" for _, _, count in rows]
    name, reads, numbers = (max(map(len, column)) for column in ([r[0] for r in rows], [r[1] for r in rows], counts))
    lines = zip(rows, counts, strict=True)
    return "\n".join(f"{r[0]:{name}}  {r[1]:{reads}}  {count:>{numbers}}".rstrip() for r, count in lines)


def _rows(layer: Any, depth: int, seen: set[str]) -> Iterator[Row]:
    """A chain is no more than its parts, so it has no line of its own; seen: the parameters that were shown."""
    indent, kind = "  " * depth, type(layer).__name__
    if kind == "Chain":
        for part in layer.parts:
            yield from _rows(part, depth, seen)
    elif kind == "Let":  # let name = value, which stands further in than the body
        yield f"{indent}Let {layer.name} =", "", 0
        yield from _rows(layer.value, depth + 2, seen)
        yield from _rows(layer.body, depth + 1, seen)
    elif kind == "Residual" and layer.shortcut in layer.parts:
        yield f"{indent}Residual", "", 0
        yield from _rows(layer.branch, depth + 1, seen)
        yield f"{indent}  shortcut", "", 0
        yield from _rows(layer.shortcut, depth + 2, seen)
    elif layer.parts:
        yield f"{indent}{kind}", "", 0
        for part in layer.parts:
            if kind in ("Fork", "Together", "Each"):
                yield f"{indent}  branch", "", 0
            yield from _rows(part, depth + 1 + (kind in ("Fork", "Together", "Each")), seen)
    else:
        yield f"{indent}{_title(layer)}", *_reads(layer, seen)


def _title(layer: Any) -> str:
    """ "self_attention(heads=4)": the operation and its options; what it reads has a column of its own."""
    if not hasattr(layer, "op"):
        return type(layer).__name__ if hasattr(layer, "reads") else repr(layer)
    options = ", ".join(f"{name}={value}" for name, value in layer.options.items() if value)
    return f"{layer.op}({options})" if options else layer.op


def _reads(layer: Any, seen: set[str]) -> tuple[str, int]:
    """What a layer reads, in words, and the count of what nobody before it has read: "fc.weight (4, 8), .bias (8,)"."""
    own = {parameter.name: parameter for parameter in layer.parameters if parameter.name not in seen}
    words, stem = [], None
    for name in getattr(layer, "reads", own):
        if name is None:
            continue
        first, dot, last = name.rpartition(".")
        word = f".{last}" if dot and first == stem else name
        stem = first
        if name in own:
            parameter = own[name]
            word += f" {parameter.shape}{' fixed' * bool(parameter.fixed)}{' buffer' * parameter.buffer}"
        words.append(word)
    seen.update(own)
    return ", ".join(words), sum(math.prod(p.shape) for p in own.values() if not (p.fixed or p.buffer))
