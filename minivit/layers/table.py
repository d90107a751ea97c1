"""print(model.layers): every layer with its parameters, their shapes, and how many numbers that is."""

import math
from typing import Any


def table(layer: Any) -> str:
    """A line a layer, those inside another one indented; in the end the number of trained parameters."""
    rows = list(_rows(layer, 0))
    widths = [max(len(row[i]) for row in rows) for i in range(2)] if rows else [0, 0]
    lines = [f"{name:{widths[0]}}  {parameters:{widths[1]}}  {count:>11}".rstrip() for name, parameters, count in rows]
    distinct = {p.name: math.prod(p.shape) for p in layer.parameters if not (p.fixed or p.buffer)}
    return "\n".join([*lines, f"{sum(distinct.values()):,} parameters"])


def _rows(layer: Any, depth: int):
    """(layer, parameters, count) in words. A chain is no more than its parts, so it has no line of its own."""
    indent = "  " * depth
    if type(layer).__name__ == "Chain":
        for part in layer.parts:
            yield from _rows(part, depth)
    elif layer.parts:
        yield f"{indent}{type(layer).__name__}{_named(layer)}", "", ""
        for part in layer.parts:
            yield from _rows(part, depth + 1)
    else:
        own = layer.parameters
        shapes = "  ".join(f"{p.name} {p.shape}{' fixed' * bool(p.fixed)}{' buffer' * p.buffer}" for p in own)
        count = sum(math.prod(p.shape) for p in own if not (p.fixed or p.buffer))
        yield f"{indent}{_title(layer)}", shapes, f"{count:,}" if count else ""


def _title(layer: Any) -> str:
    """ "self_attention(heads=4)": the operation and its options; the parameters have a column of their own."""
    if not hasattr(layer, "op"):
        return repr(layer)
    options = ", ".join(f"{name}={value}" for name, value in layer.options.items())
    return f"{layer.op}({options})" if options else layer.op


def _named(layer: Any) -> str:
    return f" {layer.name}" if hasattr(layer, "name") else ""
