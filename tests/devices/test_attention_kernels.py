"""The attention kernels against NumPy in float64, at ragged sizes, in several orders; their gradients, their counts."""

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
from minivit.devices.launches import attention_backward, attention_forward, attention_shapes
from minivit.devices.launches.attention import SHARED, VERSIONS, every_launch
from minivit.gradcheck import gradcheck

FORWARD, BACKWARD = VERSIONS["attention_forward"], VERSIONS["attention_backward"]
LENGTHS = (1, 17, 31, 32, 33, 50, 65)
WIDTHS = (7, 12, 20, 80, 128)  # 7 is no multiple of 16 bytes; of 12, 20 and 80 the last 128 bytes are not full
SMALL = 8  # the width of a head in the tests that are about something else

# What the headers of the kernels' files tell of a head of ViT-B: N = 197, d = 64, float.
# version: requests and sectors (32 bytes) of global memory, distinct bytes, turns of shared memory, those for conflicts
FORWARD_COUNTS = {
    1: (319_199, 2_998_563, 823_584, 0, 0),
    2: (29_367, 128_957, 823_584, 973_440, 605_696),
    3: (11_229, 44_325, 202_528, 2_672_352, 2_395_520),
    4: (11_229, 44_325, 202_528, 276_832, 0),
    5: (1_050, 15_810, 202_528, 87_088, 0),
}
BACKWARD_COUNTS = {
    1: (787_952, 6_357_349, 1_591_968, 0, 0),
    2: (20_291, 64_025, 659_616, 1_328_768, 0),
    3: (5_100, 59_712, 659_616, 455_336, 0),
}


def takes(d, dtype, version, versions):
    """Does a version take heads of this width? The last wants a multiple of 16 bytes."""
    return version != versions[-1] or d * np.dtype(dtype).itemsize % 16 == 0


def ladder(d, dtype):
    """Every version of both, in pairs (forward, backward); the shorter ladder begins again."""
    forward = [version for version in FORWARD if takes(d, dtype, version, FORWARD)]
    backward = [version for version in BACKWARD if takes(d, dtype, version, BACKWARD)]
    return list(zip(reversed(forward), itertools.cycle(reversed(backward)), strict=False))


def both(versions, B, H, N, d, dtype, bias):
    forward, backward = versions
    return (
        attention_forward(B, H, N, d, dtype, bias, forward)
        + attention_backward(B, H, N, d, dtype, bias, backward)
    )  # fmt: skip


# Through PTX: every version once, rows that are no multiple of 128 bytes, and the best versions in double.
VIA_PTX = [(versions, SMALL, np.float32) for versions in ladder(SMALL, np.float32)]
VIA_PTX += [((5, 3), 80, np.float32), ((5, 3), SMALL, np.float64)]

for d, dtype in itertools.product((SMALL, *WIDTHS), (np.float32, np.float64)):
    for versions in ladder(d, dtype):
        compile_together(both(versions, 1, 1, 1, d, dtype, True), paths=["source"])
for versions, d, dtype in VIA_PTX:
    compile_together(both(versions, 1, 1, 1, d, dtype, True), paths=["ptx"])


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


def check(versions, B, H, N, d, dtype, bias=True, via="source"):
    given = values(B, H, N, d, dtype, bias)
    run_by_name(both(versions, B, H, N, d, dtype, bias), given, via)
    expected64, expected32, magnitude = reference(given, np.float64), reference(given, np.float32), magnitudes(given)
    for name in expected64:
        assert_close_to_reference(given[name], expected64[name], expected32[name], magnitude[name])


@pytest.mark.parametrize("N", LENGTHS)
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_every_length(dtype, N, via):
    for versions in ladder(SMALL, dtype):
        check(versions, 2, 3, N, SMALL, dtype, N % 2 == 1, via)


@pytest.mark.parametrize("versions", [(5, 3), (4, 2), (2, 1)])
@SOURCE_AND_GPU
def test_vit_length(versions, via):
    check(versions, 1, 2, 197, SMALL, np.float32, via=via)


@pytest.mark.parametrize("d", WIDTHS)
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_every_width(dtype, d, via):
    for versions in ladder(d, dtype):
        check(versions, 1, 2, 33, d, dtype, versions[0] % 2 == 1, via)


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_with_and_without_bias(dtype, bias, via):
    for versions in ladder(SMALL, dtype):
        check(versions, 2, 3, 33, SMALL, dtype, bias, via)


@pytest.mark.parametrize(("versions", "d", "dtype"), VIA_PTX)
def test_what_nvrtc_makes_of_them(versions, d, dtype):
    for N in LENGTHS if d == SMALL else (33,):
        check(versions, 2, 3, N, d, dtype, bias=N % 2 == 1, via="ptx")


@pytest.mark.parametrize("versions", ladder(SMALL, np.float32))
def test_same_bits_in_every_order(versions):
    given = values(2, 2, 50, SMALL, np.float32)
    assert_same_bits_in_every_order(both(versions, 2, 2, 50, SMALL, np.float32, True), given)


@pytest.mark.parametrize("versions", ladder(SMALL, np.float32))
def test_no_head_or_image_sees_another(versions):
    """Each head of each image, computed alone, has the same bits; dbias, a sum over images, that of the one image."""
    B, H, N = 2, 3, 33
    given = values(B, H, N, SMALL, np.float32)
    run_by_name(both(versions, B, H, N, SMALL, np.float32, True), given)
    for b, h in itertools.product(range(B), range(H)):
        alone = values(1, 1, N, SMALL, np.float32)
        alone["qkv"] = given["qkv"][b : b + 1, :, :, h : h + 1].copy()
        alone["dout"] = given["dout"][b : b + 1, :, h : h + 1].copy()
        alone["bias"] = given["bias"][h : h + 1].copy()
        run_by_name(both(versions, 1, 1, N, SMALL, np.float32, True), alone)
        np.testing.assert_array_equal(alone["out"][0, :, 0], given["out"][b, :, h])
        np.testing.assert_array_equal(alone["lse"][0, 0], given["lse"][b, h])
        np.testing.assert_array_equal(alone["dqkv"][0, :, :, 0], given["dqkv"][b, :, :, h])


@pytest.mark.parametrize("versions", ladder(SMALL, np.float32))
@FLOAT_AND_DOUBLE
def test_huge_scores_stay_finite_and_pick_one_value(dtype, versions):
    """Scores of ±1e4, whose exp overflows: the weight is 1 at the key that matches, 0 elsewhere. 33 keys are two tiles:
    the largest score comes in the second for query 0, in the first for others; the last queries see all alike."""
    N, d = 33, SMALL
    given = values(1, 1, N, d, dtype, bias=False)
    q, k, _ = given["qkv"][0].transpose(1, 2, 0, 3)[:, 0]
    q[...] = 1e4 * np.sqrt(d) * np.eye(N, d)
    k[...] = -1
    matching = {query: (5 * query + 32) % N for query in range(d)}  # query 0: the last key, alone in its tile
    for query, key in matching.items():
        k[key, query] = 1
    run_by_name(both(versions, 1, 1, N, d, dtype, False), given)
    v = given["qkv"][0, :, 2, 0]
    for query, key in matching.items():
        np.testing.assert_allclose(given["out"][0, query, 0], v[key], rtol=1e-6)
        np.testing.assert_allclose(given["lse"][0, 0, query], 1e4, rtol=1e-6)
    np.testing.assert_allclose(given["out"][0, d, 0], v.mean(axis=0), atol=1e-6)
    assert np.isfinite(given["dqkv"]).all()
    expected = ops.attention_forward(*heads(given["qkv"].astype(np.float64)))[1]
    dv = ops.attention_backward(given["dout"].astype(np.float64).swapaxes(1, 2), expected)[2]
    rounding = 1e-2 if dtype == np.float32 else 1e-10  # of lse, 1e4 in float: the backward makes P of it again
    np.testing.assert_allclose(given["dqkv"][:, :, 2].swapaxes(1, 2), dv, atol=rounding)


@pytest.mark.parametrize("N", [17, 32, 33])
@pytest.mark.parametrize("versions", ladder(SMALL, np.float32))
def test_a_query_that_may_see_no_key_is_nan_as_in_numpy(versions, N):
    given = values(1, 1, N, SMALL, np.float32, bias=True)
    given["bias"][0, 3] = -np.inf
    run_by_name(attention_forward(1, 1, N, SMALL, np.float32, True, versions[0]), given)
    assert np.isnan(given["out"][0, 3]).all()
    assert np.isfinite(np.delete(given["out"], 3, axis=1)).all()


@pytest.mark.parametrize("versions", ladder(SMALL, np.float64))
def test_gradients_are_differences(versions):
    """The double kernels themselves, moved element by element: 5 queries, a head of each of two images, with a bias."""
    B, H, N, d = 2, 1, 5, SMALL

    def forward(qkv, bias):
        given = values(B, H, N, d, np.float64) | {"qkv": qkv, "bias": bias}
        run_by_name(attention_forward(B, H, N, d, np.float64, True, versions[0]), given)
        return given["out"], given

    def backward(dout, given):
        given = given | {"dout": dout}
        run_by_name(attention_backward(B, H, N, d, np.float64, True, versions[1]), given)
        return given["dqkv"], given["dbias"]

    given = values(B, H, N, d, np.float64)
    report = gradcheck(forward, backward, {"qkv": given["qkv"], "bias": given["bias"]})
    assert report.ok, str(report)


def counted(launches, given):
    totals = []
    for launch in launches:
        totals.append(profile(launch, given).total)
        run_by_name([launch], given)
    columns = [(t.requests, t.sectors, t.distinct_bytes, t.shared_turns, t.conflicts) for t in totals]
    return tuple(np.sum(columns, axis=0))


@pytest.mark.parametrize("version", FORWARD)
def test_the_counts_of_the_forward(version):
    N, d = 197, 64
    launches = attention_forward(1, 1, N, d, np.float32, False, version)
    assert counted(launches, values(1, 1, N, d, np.float32, bias=False)) == FORWARD_COUNTS[version]
    floor = 4 * (4 * N * d + N)
    assert (FORWARD_COUNTS[version][2] < 1.001 * floor) == (version >= 3)


@pytest.mark.parametrize("version", BACKWARD)
def test_the_counts_of_the_backward(version):
    N, d = 197, 64
    given = values(1, 1, N, d, np.float32, bias=False)
    run_by_name(attention_forward(1, 1, N, d, np.float32, False), given)
    assert counted(attention_backward(1, 1, N, d, np.float32, False, version), given) == BACKWARD_COUNTS[version]


@pytest.mark.parametrize(("d", "dtype"), [(8, np.float32), (80, np.float32), (80, np.float64), (128, np.float64)])
def test_the_best_versions_read_what_their_tiles_say_and_no_lane_waits_for_a_bank(d, dtype):
    """Forward: Q and out once, K and V once for each tile of queries, and lse."""
    N, size = 64, np.dtype(dtype).itemsize
    given = values(1, 1, N, d, dtype, bias=False)
    launches = both((5, 3), 1, 1, N, d, dtype, False)
    (tiles, *_) = launches[0].grid
    total = profile(launches[0], given).total
    assert total.bytes_read + total.bytes_written == ((2 + 2 * tiles) * N * d + N) * size
    for launch in launches:
        report = profile(launch, given)
        assert report.total.conflicts == 0
        vectors = [line for line in report.lines if line.space == "global" and line.size == 16]
        assert vectors and all(line.moved == line.ideal for line in vectors)
        run_by_name([launch], given)


@FLOAT_AND_DOUBLE
def test_the_table_fits_every_width_into_the_shared_memory_that_needs_no_asking(dtype):
    for d in range(1, 129):
        for versions in ladder(d, dtype):
            for launch in both(versions, 2, 3, 197, d, dtype, True):
                assert launch.shared <= SHARED and np.prod(launch.block) <= 1024
                assert launch.grid[1:] in ((3, 2), (3,))


@FLOAT_AND_DOUBLE
def test_the_gradient_of_the_bias_asks_for_its_four_tiles_alone(dtype):
    """Q, K, V and dout: P and dS stay in registers. One byte less is too little: see kernel_mistakes.py."""
    for d in range(1, 129):
        for version in VERSIONS["attention_backward"][1:]:
            if version == 3 and d * np.dtype(dtype).itemsize % 16:
                continue
            *_, queries, bias = attention_backward(2, 3, 197, d, dtype, True, version)
            side = int(bias.kernel.rstrip(">").rsplit(", ", 1)[1])
            if version == 2:
                assert bias.shared == 4 * side * (d | 1) * np.dtype(dtype).itemsize
            assert bias.shared < queries.shared


def test_the_best_version_that_fits_is_taken():
    def kernels(d, dtype):
        return [launch.kernel for launch in both((None, None), 1, 1, 1, d, dtype, False)]

    assert all("_v5<" in name or "_v3<" in name for name in kernels(12, np.float32) + kernels(2, np.float64))
    assert all("_v4<" in name or "_v2<" in name for name in kernels(6, np.float32) + kernels(7, np.float64))


@pytest.mark.parametrize("launches", [attention_forward, attention_backward])
def test_what_cannot_be_is_refused(launches):
    last = VERSIONS[launches.__name__][-1]
    for B, H, N in itertools.product((0, 1), repeat=3):
        if 0 in (B, H, N):
            with pytest.raises(ValueError, match="nothing to compute"):
                launches(B, H, N, 8, np.float32, True)
    with pytest.raises(ValueError, match="129 wide"):
        launches(1, 1, 1, 129, np.float32, True)
    with pytest.raises(ValueError, match="multiple of 4"):
        launches(1, 1, 1, 6, np.float32, True, last)
    with pytest.raises(ValueError, match="no version 9"):
        launches(1, 1, 1, 8, np.float32, True, 9)
    with pytest.raises(ValueError, match="65536 images"):
        launches(65536, 1, 1, 8, np.float32, True)


def test_every_launch_names_each_kernel_once():
    names = [launch.kernel for launch in every_launch()]
    assert len(names) == len(set(names))
    assert {name.split("<")[0] for name in names} >= {"attention_forward_v5", "attention_backward_bias_v3"}
