"""Arguments of the kernels of deformable attention, by their names, and what they must make of them."""

import itertools

import numpy as np

from minivit import ops
from minivit.devices.launches import deformable_attention_backward, deformable_attention_forward, deformable_keys


def inputs(B, Q, H, P, d, shapes, dtype, low=-0.4, high=1.4):
    """All that the launches take. Samples lie on the maps and around them, as `low` and `high` say."""
    rng = np.random.default_rng([B, Q, H, P, d])
    L, S = len(shapes), sum(height * width for height, width in shapes)
    values = {
        "value": rng.standard_normal((B, S, H, d)).astype(dtype),
        "locations": rng.uniform(low, high, (B, Q, H, L, P, 2)).astype(dtype),
        "weights": rng.random((B, Q, H, L, P)).astype(dtype),
        "dy": rng.standard_normal((B, Q, H, d)).astype(dtype),
        **{"B": B, "S": S, "Q": Q, "H": H, "L": L, "P": P, "d": d},
    }
    starts = np.cumsum([0, *(height * width for height, width in shapes)])
    levels = [(height, width, start) for (height, width), start in zip(shapes, starts, strict=False)]
    values["levels"] = np.array(levels, np.int32)
    return values | sorting(values["locations"], shapes)


def sorting(locations, shapes):
    """The keys by loops over all samples, and what follows from them."""
    B, Q, H, L, P, _ = locations.shape
    sizes = [(height + 1) * (width + 1) for height, width in shapes]
    firsts, corners = np.cumsum([0, *sizes[:-1]]).astype(np.int32), sum(sizes)
    keys = np.full((B, Q, H, L, P), B * H * corners, np.int32)
    half = locations.dtype.type(0.5)
    for b, q, h, level, p in itertools.product(*map(range, keys.shape)):
        height, width = shapes[level]
        x, y = locations[b, q, h, level, p] * np.array([width, height], locations.dtype) - half
        if -1 <= x < width and -1 <= y < height:
            place = (int(np.floor(y)) + 1) * (width + 1) + int(np.floor(x)) + 1
            keys[b, q, h, level, p] = (b * H + h) * corners + firsts[level] + place
    keys = keys.ravel()
    order = np.argsort(keys, kind="stable").astype(np.int32)
    starts = np.array([np.sum(keys < key) for key in range(B * H * corners + 1)], np.int32)
    return {
        "firsts": firsts, "keys": keys, "order": order, "starts": starts,
        "corners": corners, "samples": keys.size, "nowhere": B * H * corners,
    }  # fmt: skip


def shapes_of(values):
    """Of what the launches write."""
    return {
        "y": values["dy"].shape,
        "dvalue": values["value"].shape,
        "dlocations": values["locations"].shape,
        "dweights": values["weights"].shape,
    }


def every_launch_for(values, version):
    """Forward, backward, and the keys, in the order in which they are run."""
    B, S, Q, H, L, P, d = (values[name] for name in "BSQHLPd")
    dtype = values["value"].dtype
    forward = deformable_attention_forward(B, Q, H, d, dtype, version)
    keys = [deformable_keys(values["samples"], dtype)] if version == 2 else []
    return [forward, *keys, *deformable_attention_backward(B, S, Q, H, L, P, d, dtype, version)]


def reference(values, dtype):
    """What minivit.ops makes of the same numbers in another dtype: y and all gradients, in the kernels' shapes."""
    shapes = [(int(height), int(width)) for height, width, _ in values["levels"]]
    value, locations, weights, dy = (values[name].astype(dtype) for name in ("value", "locations", "weights", "dy"))
    flat = [a.reshape(*a.shape[:2], -1) for a in (value, dy)]
    y, cache = ops.deformable_attention_forward(flat[0], locations, weights, shapes)
    dvalue, dlocations, dweights = ops.deformable_attention_backward(flat[1], cache)
    found = {"y": y, "dvalue": dvalue, "dlocations": dlocations, "dweights": dweights}
    return {name: found[name].reshape(shape) for name, shape in shapes_of(values).items()}


def magnitudes(values):
    """Of the terms that each result sums, Σ|…|: as if all numbers were positive. A location's gradient is a difference
    of corners, times the size of its map."""
    positive = values | {name: np.abs(values[name]) for name in ("value", "weights", "dy")}
    found = reference(positive, np.float64)
    sizes = values["levels"][:, None, 1::-1].astype(float)
    dots = np.abs(values["dy"]).max() * np.abs(values["value"]).max() * values["d"]
    return found | {"dlocations": np.broadcast_to(4 * dots * sizes, values["locations"].shape)}
