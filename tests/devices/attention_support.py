"""What the tests of the attention kernels share: versions, inputs by name, what NumPy makes of these."""

import itertools

import numpy as np
from kernel_support import nans

from minivit import ops
from minivit.devices.launches import attention_backward, attention_forward, attention_shapes
from minivit.devices.launches.attention import VERSIONS, rung

FORWARD, BACKWARD = VERSIONS["attention_forward"], VERSIONS["attention_backward"]
SMALL = 8  # the width of a head in the tests that are about something else


TF32 = (7, 5)  # whose products are those of ten bits
# Each of the products in a row, at most three, may be off by 2 · 2⁻¹¹ of its terms, which are 8192 eps.
TERMS = {TF32: 3 * 8192 + 8}


def ladder(d, dtype, tf32=False):
    """Every version of both that takes heads of this width, in pairs (forward, backward) from the last on; the shorter
    ladder stays at its first. tf32: with those that are not as exact as floats."""
    forward, backward = (
        [version for version in reversed(versions) if rung(name, version).takes(d, np.dtype(dtype))]
        for name, versions in VERSIONS.items()
    )
    pairs = itertools.zip_longest(forward, backward, fillvalue=1)
    return [pair for pair in pairs if tf32 or pair != TF32]


def both(versions, B, H, N, d, dtype, bias):
    forward, backward = versions
    return (
        attention_forward(B, H, N, d, dtype, bias, forward)
        + attention_backward(B, H, N, d, dtype, bias, backward)
    )  # fmt: skip


def values(B, H, N, d, dtype, bias=True, seed=0):
    """Inputs by the names that launches give them, and room for all that they write."""
    rng = np.random.default_rng(seed)
    shapes = attention_shapes(B, H, N, d)
    arrays = {name: nans(shape, dtype) for name, shape in shapes.items()}
    for name in ("qkv", "dout", "bias"):
        arrays[name] = rng.standard_normal(shapes[name]).astype(dtype)
    return arrays | {"bias": arrays["bias"] if bias else None, "B": B, "N": N, "scale": d**-0.5}


def heads(qkv):
    """(B, N, 3, H, d) -> q, k, v (B, H, N, d)."""
    return np.moveaxis(qkv, 2, 0).swapaxes(2, 3)


def reference(given, dtype):
    """What minivit.ops makes of the same numbers, under the same names."""
    q, k, v = heads(given["qkv"].astype(dtype))
    bias = None if given["bias"] is None else given["bias"].astype(dtype)
    out, cache = ops.attention_forward(q, k, v, bias)
    dq, dk, dv, dbias = ops.attention_backward(given["dout"].astype(dtype).swapaxes(1, 2), cache)
    scores = (q * given["scale"]) @ k.swapaxes(-1, -2) + (0 if bias is None else bias)
    top = scores.max(axis=-1)
    lse = top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))
    dqkv = np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4)
    made = {"out": out.swapaxes(1, 2), "lse": lse.astype(dtype), "dqkv": dqkv, "dbias": dbias}
    return {name: array for name, array in made.items() if array is not None}


def magnitudes(given):
    """Of the terms that each output sums. A score off by x puts its weight off by a factor of 1 + x, hence `grown`."""
    qkv, bias = given["qkv"].astype(np.float64), 0 if given["bias"] is None else given["bias"].astype(np.float64)
    q, k, v = np.abs(heads(qkv))
    dout, scale = np.abs(given["dout"].astype(np.float64)).swapaxes(1, 2), given["scale"]
    weights = ops.attention_weights(*heads(qkv)[:2], bias)
    scores = q @ k.swapaxes(-1, -2) * scale + np.abs(bias)
    grown = weights * (1 + scores)
    dweights = dout @ v.swapaxes(-1, -2)
    dscores = grown * (dweights + (weights * dweights).sum(axis=-1, keepdims=True))
    dq, dk = dscores @ k * scale, dscores.swapaxes(-1, -2) @ q * scale
    dv = grown.swapaxes(-1, -2) @ dout
    return {
        "out": (grown @ v).swapaxes(1, 2),
        "lse": 1 + scores.max(axis=-1),
        "dqkv": np.stack([dq, dk, dv]).transpose(1, 3, 0, 2, 4),
        "dbias": dscores.sum(axis=0),
    }
