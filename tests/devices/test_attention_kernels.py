"""The attention kernels against NumPy in float64, at ragged sizes, in several orders, and their gradients."""

import itertools

import numpy as np
import pytest
from attention_support import SMALL, TERMS, both, heads, ladder, magnitudes, reference, values
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_GPU,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    run_by_name,
)

from minivit import ops
from minivit.devices.launches import attention_backward, attention_forward
from minivit.gradcheck import gradcheck

LENGTHS = (1, 17, 31, 32, 33, 50, 65)
# 7 is no multiple of 16 bytes; of 12 and 80 floats the last 128 bytes are not full, nor of 20 doubles.
WIDTHS = {np.float32: (7, 12, 80, 128), np.float64: (7, 20, 80)}

# Through PTX: every version once, and rows that are no multiple of 128 bytes. Doubles go this way in cross-attention,
# which is made of the same parts.
VIA_PTX = [(versions, SMALL, np.float32) for versions in ladder(SMALL, np.float32, tf32=True)]
VIA_PTX += [((5, 3), 80, np.float32)]

# The number of warps follows from that of the queries, so the kernels are named by those that they are run with.
for dtype, widths in WIDTHS.items():
    for versions, N in itertools.product(ladder(SMALL, dtype, tf32=True), LENGTHS):
        compile_together(both(versions, 1, 1, N, SMALL, dtype, True), paths=["source"])
    for d in widths:
        for versions in ladder(d, dtype, tf32=True):
            compile_together(both(versions, 1, 1, 33, d, dtype, versions[0] % 2 == 1), paths=["source"])
for versions, d, dtype in VIA_PTX:
    compile_together(both(versions, 1, 1, 65, d, dtype, True), paths=["ptx"])


def check(versions, B, H, N, d, dtype, bias=True, via="source"):
    given = values(B, H, N, d, dtype, bias)
    run_by_name(both(versions, B, H, N, d, dtype, bias), given, via)
    expected64, expected32, magnitude = reference(given, np.float64), reference(given, np.float32), magnitudes(given)
    for name in expected64:
        terms = TERMS.get(versions, 8)
        assert_close_to_reference(given[name], expected64[name], expected32[name], magnitude[name], terms=terms)


@pytest.mark.parametrize("N", LENGTHS)
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_every_length(dtype, N, via):
    for versions in ladder(SMALL, dtype, tf32=True):
        check(versions, 2, 3, N, SMALL, dtype, N % 2 == 1, via)


@pytest.mark.parametrize("versions", [(8, 6), (7, 5), (6, 4), (5, 3), (4, 2), (2, 1)])
@SOURCE_AND_GPU
def test_vit_length(versions, via):
    check(versions, 1, 2, 197, SMALL, np.float32, via=via)


@pytest.mark.parametrize(("dtype", "d"), [(dtype, d) for dtype, widths in WIDTHS.items() for d in widths])
@SOURCE_AND_GPU
def test_every_width(dtype, d, via):
    for versions in ladder(d, dtype, tf32=True):
        check(versions, 1, 2, 33, d, dtype, versions[0] % 2 == 1, via)


@pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])
@FLOAT_AND_DOUBLE
@SOURCE_AND_GPU
def test_with_and_without_bias(dtype, bias, via):
    for versions in ladder(SMALL, dtype, tf32=True):
        check(versions, 2, 3, 33, SMALL, dtype, bias, via)


@pytest.mark.parametrize(("versions", "d", "dtype"), VIA_PTX)
def test_what_nvrtc_makes_of_them(versions, d, dtype):
    check(versions, 2, 3, 65, d, dtype, via="ptx")


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


@pytest.mark.parametrize(
    ("dtype", "versions"), [(dtype, pair) for dtype in (np.float32, np.float64) for pair in ladder(SMALL, dtype)]
)
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
