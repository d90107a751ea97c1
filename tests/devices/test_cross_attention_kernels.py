"""The kernels of cross-attention against NumPy in float64, with ragged numbers of queries and keys; and their counts.

What they are made of is self-attention's, and tested there; with its own parts they give its bits.
"""

import itertools

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_GPU,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    nans,
    profile,
    run_by_name,
)

from minivit import ops
from minivit.devices.launch import SHARED
from minivit.devices.launches import (
    attention_backward,
    attention_forward,
    attention_shapes,
    cross_attention_backward,
    cross_attention_forward,
    cross_attention_shapes,
    tiles,
)
from minivit.gradcheck import gradcheck

F32, F64 = np.float32, np.float64
SMALL = 8  # the width of a head in the tests that are about something else

# Every count of either, and few, very few and many queries with more keys and with fewer.
COUNTS = ((1, 197), (1, 1), (2, 17), (2, 197), (7, 31), (7, 1), (33, 50), (33, 17), (100, 31), (100, 50))
# Of 12 and 80 floats the last 128 bytes are not full, nor of 20 doubles. Self-attention has the same parts at more.
WIDTHS = {F32: (12, 64, 80), F64: (20, 128)}
VIA_PTX = [(1, 33, 20, F32), (7, 33, SMALL, F32), (65, 9, SMALL, F64)]

# What the header of the kernels' file tells of a head of ViT-B: Nk = 197, d = 64, float. Forward, backward, in each
# requests and sectors (32 bytes) of global memory, distinct bytes, turns of shared memory, those for conflicts, and the
# most bytes of shared memory that a block asks for
COUNTED = {
    1: ((205, 3_169, 101_408, 5_196, 0, 20_864), (691, 9_661, 304_544, 22_272, 0, 23_040)),
    100: ((525, 7_929, 152_480, 46_736, 0, 45_056), (2_875, 34_837, 483_872, 250_712, 0, 39_936)),
}
IN_USUAL_TILES = (205, 3_169, 101_408, 7_408, 0, 45_056), (691, 9_661, 304_544, 46_088, 0, 39_936)  # Nq = 1


def both(B, H, Nq, Nk, d, dtype, bias):
    sizes = B, H, Nq, Nk, d, dtype, bias
    return cross_attention_forward(*sizes) + cross_attention_backward(*sizes)


for dtype, widths in WIDTHS.items():
    for Nq, _ in COUNTS:
        compile_together(both(1, 1, Nq, 1, SMALL, dtype, True), paths=["source"])
    for d, Nq in itertools.product(widths, (5, 33)):
        compile_together(both(1, 1, Nq, 1, d, dtype, Nq == 5), paths=["source"])
for Nq in (2, 9):
    compile_together(both(1, 1, Nq, 1, 2, F64, True), paths=["source"])
for Nq, _, d, dtype in VIA_PTX:
    compile_together(both(1, 1, Nq, 1, d, dtype, True), paths=["ptx"])


def values(B, H, Nq, Nk, d, dtype, bias=True):
    """Inputs by the names that launches give them, and room for all that they write."""
    rng = np.random.default_rng(0)
    shapes = cross_attention_shapes(B, H, Nq, Nk, d)
    arrays = {name: nans(shape, dtype) for name, shape in shapes.items()}
    for name in ("q", "kv", "dout", "bias"):
        arrays[name] = rng.standard_normal(shapes[name]).astype(dtype)
    return arrays | {"bias": arrays["bias"] if bias else None, "B": B, "Nq": Nq, "Nk": Nk, "scale": d**-0.5}


def heads(given, dtype):
    """q, k, v, dout (B, H, N, d) and the bias."""
    q, kv, dout = (given[name].astype(dtype) for name in ("q", "kv", "dout"))
    bias = None if given["bias"] is None else given["bias"].astype(dtype)
    return *(a.swapaxes(1, 2) for a in (q, kv[:, :, 0], kv[:, :, 1], dout)), bias


def outputs(out, lse, dq, dk, dv, dbias):
    """From (B, H, N, d) to the kernels' names and shapes."""
    made = {"out": out.swapaxes(1, 2), "lse": lse, "dq": dq.swapaxes(1, 2), "dbias": dbias}
    return made | {"dkv": np.stack([dk, dv], axis=2).transpose(0, 3, 2, 1, 4)}


def reference(given, dtype):
    """What minivit.ops makes of the same numbers."""
    q, k, v, dout, bias = heads(given, dtype)
    out, cache = ops.attention_forward(q, k, v, bias)
    scores = (q * given["scale"]) @ k.swapaxes(-1, -2) + (0 if bias is None else bias)
    top = scores.max(axis=-1)
    lse = (top + np.log(np.exp(scores - top[..., None]).sum(axis=-1))).astype(dtype)
    return outputs(out, lse, *ops.attention_backward(dout, cache))


def magnitudes(given):
    """Of the terms that each output sums. A score off by x puts its weight off by a factor of 1 + x, hence `grown`."""
    q, k, v, dout, bias = heads(given, F64)
    weights = ops.attention_weights(q, k, bias)
    q, k, v, dout = map(np.abs, (q, k, v, dout))
    scores = q @ k.swapaxes(-1, -2) * given["scale"] + np.abs(0 if bias is None else bias)
    grown, dweights = weights * (1 + scores), dout @ v.swapaxes(-1, -2)
    dscores = grown * (dweights + (weights * dweights).sum(axis=-1, keepdims=True))
    dq, dk, dv = dscores @ k, dscores.swapaxes(-1, -2) @ q, grown.swapaxes(-1, -2) @ dout
    return outputs(
        grown @ v, 1 + scores.max(axis=-1), dq * given["scale"], dk * given["scale"], dv, dscores.sum(axis=0)
    )


def check(B, H, Nq, Nk, d, dtype, bias, via="source"):
    given = values(B, H, Nq, Nk, d, dtype, bias)
    run_by_name(both(B, H, Nq, Nk, d, dtype, bias), given, via)
    expected64, expected32, magnitude = reference(given, F64), reference(given, F32), magnitudes(given)
    for name in expected64.keys() - (set() if bias else {"dbias"}):
        assert_close_to_reference(given[name], expected64[name], expected32[name], magnitude[name])


@pytest.mark.parametrize(("Nq", "Nk"), COUNTS)
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_every_count_of_queries_and_keys(dtype, Nq, Nk, via):
    for bias in (False, True):
        check(2, 3, Nq, Nk, SMALL, dtype, bias, via)


@pytest.mark.parametrize(("dtype", "d"), [(dtype, d) for dtype, widths in WIDTHS.items() for d in widths])
@SOURCE_AND_GPU
def test_every_width(dtype, d, via):
    for Nq, Nk in ((5, 19), (33, 18)):
        check(1, 2, Nq, Nk, d, dtype, Nq == 5, via)


@pytest.mark.parametrize(("Nq", "Nk", "d", "dtype"), VIA_PTX)
def test_what_nvrtc_makes_of_them(Nq, Nk, d, dtype):
    check(2, 2, Nq, Nk, d, dtype, bias=True, via="ptx")


@pytest.mark.parametrize(("Nq", "Nk"), [(1, 50), (7, 33), (70, 33)])
def test_same_bits_in_every_order(Nq, Nk):
    assert_same_bits_in_every_order(both(2, 2, Nq, Nk, SMALL, F32, True), values(2, 2, Nq, Nk, SMALL, F32))


@FLOAT_AND_DOUBLE
def test_of_its_own_parts_it_has_the_bits_of_self_attention(dtype):
    B, H, N = 2, 3, 50
    given = values(B, H, N, N, SMALL, dtype)
    own = {name: nans(shape, dtype) for name, shape in attention_shapes(B, H, N, SMALL).items()} | given | {"N": N}
    own |= {"qkv": np.concatenate((given["q"][:, :, None], given["kv"]), axis=2)}
    own |= {name: nans(given[name].shape, dtype) for name in ("out", "lse", "dbias", "delta")}
    sizes = B, H, N, SMALL, dtype, True
    run_by_name(attention_forward(*sizes) + attention_backward(*sizes), own)
    run_by_name(both(B, H, N, N, SMALL, dtype, True), given)
    given["dqkv"] = np.concatenate((given["dq"][:, :, None], given["dkv"]), axis=2)
    for name in ("out", "lse", "dqkv", "dbias"):
        np.testing.assert_array_equal(given[name], own[name], err_msg=name)


@pytest.mark.parametrize("Nq", [1, 6])
def test_few_queries_have_the_numbers_that_they_have_among_many(Nq):
    """Other tiles, other sums: equal but for rounding. And what a query gets does not depend on the others."""
    many, few = values(1, 2, 20, 50, SMALL, F64), values(1, 2, Nq, 50, SMALL, F64)
    few |= {"q": many["q"][:, :Nq].copy(), "kv": many["kv"], "bias": many["bias"][:, :Nq].copy()}
    for given, count in ((many, 20), (few, Nq)):
        run_by_name(cross_attention_forward(1, 2, count, 50, SMALL, F64, True), given)
    np.testing.assert_allclose(few["out"], many["out"][:, :Nq], rtol=0, atol=1e-13)
    np.testing.assert_allclose(few["lse"], many["lse"][:, :, :Nq], rtol=0, atol=1e-13)


@pytest.mark.parametrize("Nq", [2, 9])
def test_gradients_are_differences(Nq):
    """The double kernels themselves, moved element by element."""
    B, H, Nk = 2, 1, 5
    sizes = B, H, Nq, Nk, 2, F64, True

    def forward(q, kv, bias):
        given = values(*sizes[:-1]) | {"q": q, "kv": kv, "bias": bias}
        run_by_name(cross_attention_forward(*sizes), given)
        return given["out"], given

    def backward(dout, given):
        given = given | {"dout": dout}
        run_by_name(cross_attention_backward(*sizes), given)
        return given["dq"], given["dkv"], given["dbias"]

    given = values(*sizes[:-1])
    report = gradcheck(forward, backward, {name: given[name] for name in ("q", "kv", "bias")})
    assert report.ok, str(report)


def counted(*sizes):
    given = values(*sizes)
    return tuple(_counted(launches(*sizes), given) for launches in (cross_attention_forward, cross_attention_backward))


def _counted(launches, given):
    totals = []
    for launch in launches:
        totals.append(profile(launch, given).total)
        run_by_name([launch], given)
    columns = [(t.requests, t.sectors, t.distinct_bytes, t.shared_turns, t.conflicts) for t in totals]
    return *np.sum(columns, axis=0), max(launch.shared for launch in launches)


@pytest.mark.parametrize("Nq", COUNTED)
def test_the_counts(Nq):
    Nk, d = 197, 64
    forward, backward = COUNTED[Nq]
    assert counted(1, 1, Nq, Nk, d, F32, False) == (forward, backward)
    assert forward[2] < 4 * (2 * (Nq + Nk) * d + Nq) + 32  # the floor; the last sector of lse may not be full
    assert backward[2] < 4 * ((7 * Nq + 6 * Nk) * d + 5 * Nq) + 5 * 32


def test_the_counts_of_one_query_in_the_tiles_of_many(monkeypatch):
    monkeypatch.setattr(tiles, "FEW", 0)
    assert counted(1, 1, 1, 197, 64, F32, False) == IN_USUAL_TILES


@pytest.mark.parametrize(("Nq", "d", "dtype"), [(1, 80, F32), (7, 8, F32), (33, 80, F64), (2, 128, F64)])
def test_they_read_what_their_tiles_say_and_no_lane_waits_for_a_bank(Nq, d, dtype):
    """Forward: Q and out once, K and V once for each tile of queries, and lse."""
    Nk, size = 37, np.dtype(dtype).itemsize
    given = values(1, 1, Nq, Nk, d, dtype, bias=False)
    launches = both(1, 1, Nq, Nk, d, dtype, False)
    (blocks, *_) = launches[0].grid
    total = profile(launches[0], given).total
    assert total.bytes_read + total.bytes_written == ((2 * Nq + 2 * Nk * blocks) * d + Nq) * size
    for launch in launches:
        report = profile(launch, given)
        assert report.total.conflicts == 0
        vectors = [line for line in report.lines if line.space == "global" and line.size == 16]
        assert vectors and all(line.moved == line.ideal for line in vectors)
        run_by_name([launch], given)


@FLOAT_AND_DOUBLE
def test_every_width_fits_and_few_queries_ask_for_less(dtype):
    for d in range(16 // np.dtype(dtype).itemsize, 129, 16 // np.dtype(dtype).itemsize):
        for Nq in range(1, tiles.FEW + 2):
            launches = both(2, 3, Nq, 197, d, dtype, True)
            assert all(launch.shared <= SHARED and launch.vectors for launch in launches)
            assert launches[0].grid == (1, 3, 2) or Nq > tiles.FEW
            many = both(2, 3, tiles.FEW + 1, 197, d, dtype, True)
            pairs = zip(launches, many, strict=True)
            assert all(few.shared <= usual.shared for few, usual in pairs if d * np.dtype(dtype).itemsize <= 256)


@pytest.mark.parametrize("launches", [cross_attention_forward, cross_attention_backward])
def test_what_cannot_be_is_refused(launches):
    for place in range(4):
        sizes = [1, 1, 1, 1]
        sizes[place] = 0
        with pytest.raises(ValueError, match="nothing to compute"):
            launches(*sizes, 8, F32, True)
    with pytest.raises(ValueError, match="132 wide"):
        launches(1, 1, 1, 1, 132, F32, True)
    with pytest.raises(ValueError, match="multiple of 4 for float32, not 6"):
        launches(1, 1, 1, 1, 6, F32, True)
    with pytest.raises(ValueError, match="65536 images"):
        launches(65536, 1, 1, 1, 8, F32, True)
