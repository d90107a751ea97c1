"""The kernels of RoIAlign against NumPy at ragged sizes, by finite differences, in several orders, and counted."""

import numpy as np
import pytest
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    has_gpu,
    nans,
    profile,
    run,
    values_for,
)

from minivit import ops
from minivit.devices import get_device
from minivit.devices import launches as table
from minivit.devices.launches import roi_align
from minivit.devices.regions import _looks
from minivit.gradcheck import gradcheck

compile_together(roi_align.every_launch())
FORWARD, BACKWARD = (roi_align.VERSIONS[f"roi_align_{way}"] for way in ("forward", "backward"))
VERSIONS = pytest.mark.parametrize("version", FORWARD)
STRIDES = 4, 8
# Boxes of an image, channels, bins, points a bin, and the two maps.
SIZES = [
    (1, 1, 1, 1, ((1, 1), (1, 1))),
    (5, 7, 7, 2, ((5, 4), (3, 2))),
    (33, 12, 7, 2, ((17, 31), (9, 16))),
    (100, 36, 5, 2, ((8, 6), (4, 3))),
    (31, 132, 2, 3, ((3, 9), (2, 5))),
    (2, 8, 17, 2, ((6, 6), (3, 3))),  # more bins than a warp shares out
]


def inputs(queries, shapes, dtype, images=2):
    """Boxes within, over the edges, outside, of no size, larger than the map; no point within 1e-4 of where it begins
    to count as outside, for there rounding decides."""
    rng = np.random.default_rng(queries)
    (height, width), *_ = shapes
    extent = np.array([width, height]) * STRIDES[0]
    low = rng.uniform(-0.6, 1.0, (images, queries, 2)) * extent
    size = rng.uniform(0.0, 1.2, (images, queries, 2)) * extent
    size[:, 1::5] = 0
    boxes = np.concatenate((low, low + size), axis=-1).astype(dtype)
    return boxes, ops.box_levels(boxes, STRIDES, 10.0, 2)


def fits(version, channels, dtype):
    return version == 1 or channels * np.dtype(dtype).itemsize % 16 == 0


def of_backward(version, size):
    """The backward's version that goes with one of the forward, which has more."""
    return min(version, BACKWARD[-1] if size <= roi_align.MOST_BINS else 1)


def forward(maps, boxes, looks, size, samples, version, via="source"):
    (B, places, C), N = maps.shape, boxes.shape[1]
    y = nans((B, N, size * size, C), maps.dtype)
    launch = table.roi_align_forward(B, N, C, size, maps.dtype, version)
    run(launch, y, maps, boxes, looks, B, N, places, C, size, samples, via=via)
    return y


def backward(dy, boxes, looks, places, size, samples, version, via="source"):
    B, N, _, C = dy.shape
    dmaps = nans((B, places, C), dy.dtype)
    launch = table.roi_align_backward(B, places, C, size, dy.dtype, version)
    run(launch, dmaps, dy, boxes, looks, B, N, places, C, size, samples, via=via)
    return dmaps


@SOURCE_AND_PTX
@VERSIONS
@FLOAT_AND_DOUBLE
def test_both_ways_are_numpys(dtype, version, via):
    rng = np.random.default_rng(0)
    for queries, C, size, samples, shapes in SIZES:
        if not fits(version, C, dtype):
            continue
        boxes, levels = inputs(queries, shapes, dtype)
        looks, places = _looks(levels, shapes, STRIDES), sum(h * w for h, w in shapes)
        maps = rng.standard_normal((2, places, C)).astype(dtype)
        options = shapes, size, STRIDES, samples, (10.0, 2)
        exact, cache = ops.roi_align_forward(maps.astype(np.float64), boxes.astype(np.float64), *options)
        rounded, cache32 = ops.roi_align_forward(maps, boxes, *options)
        y = forward(maps, boxes, looks, size, samples, version, via)
        magnitude = ops.roi_align_forward(np.abs(maps).astype(np.float64), boxes.astype(np.float64), *options)[0]
        assert_close_to_reference(y, exact, rounded, magnitude + slope(boxes))
        dy = rng.standard_normal(y.shape).astype(dtype)
        exact, rounded = ops.roi_align_backward(dy.astype(np.float64), cache), ops.roi_align_backward(dy, cache32)
        dmaps = backward(dy, boxes, looks, places, size, samples, of_backward(version, size), via)
        magnitude = ops.roi_align_backward(np.abs(dy).astype(np.float64), cache)
        assert_close_to_reference(dmaps, exact, rounded, magnitude + slope(boxes))


def slope(boxes):
    """A point that is off by rounding, of coordinates as large as these, takes as much more of one place than of the
    next."""
    return np.abs(boxes).max() / STRIDES[0]


def test_a_bin_may_be_wider_than_a_warp_shares_out():
    """One bin over 40 places a side, and nine points far apart: most places weigh nothing."""
    boxes = np.array([[[-8.0, 3.0, 150.0, 155.0]]])
    maps, looks = np.random.default_rng(0).standard_normal((1, 1600, 4)), np.array([[[0, 40, 40, 4]]], np.int32)
    exact, _ = ops.roi_align_forward(maps, boxes, ((40, 40),), 1, (4,), 3)
    for version in FORWARD:
        np.testing.assert_allclose(forward(maps, boxes, looks, 1, 3, version), exact, atol=1e-12)


@VERSIONS
def test_finite_differences_through_the_kernels(version):
    queries, C, size, samples, shapes = 5, 4, 3, 2, ((5, 4), (3, 2))
    boxes, levels = inputs(queries, shapes, np.float64)
    looks = _looks(levels, shapes, STRIDES)

    def kernel_forward(maps):
        return forward(maps, boxes, looks, size, samples, version), None

    def kernel_backward(dy, cache):
        return backward(dy, boxes, looks, 26, size, samples, of_backward(version, size))

    maps = np.random.default_rng(0).standard_normal((2, 26, C))
    report = gradcheck(kernel_forward, kernel_backward, {"maps": maps})
    assert report.ok, f"\n{report}"


@VERSIONS
def test_the_same_bits_in_every_order(version):
    queries, C, size, samples, shapes = 33, 12, 7, 2, ((9, 7), (5, 4))
    boxes, levels = inputs(queries, shapes, np.float32)
    given = dict(images=2, queries=queries, places=83, channels=C, size=size, samples=samples)
    shaped = dict.fromkeys(("y", "dy"), (2, queries, size * size, C)) | dict.fromkeys(("maps", "dmaps"), (2, 83, C))
    launches = [table.roi_align_forward(2, queries, C, size, np.float32, version)]
    launches += [table.roi_align_backward(2, 83, C, size, np.float32, of_backward(version, size))]
    values = values_for(launches, shaped, boxes=boxes, looks=_looks(levels, shapes, STRIDES), **given)
    assert_same_bits_in_every_order(launches, values)


def test_a_nan_in_a_box_spoils_nothing_else():
    queries, C, size, samples, shapes = 5, 4, 3, 2, ((5, 4), (3, 2))
    boxes, levels = inputs(queries, shapes, np.float32)
    looks, maps = _looks(levels, shapes, STRIDES), np.ones((2, 26, C), np.float32)
    right = forward(maps, boxes, looks, size, samples, None)
    boxes[1, 2] = np.nan
    wrong = forward(maps, boxes, looks, size, samples, None)
    wrong[1, 2] = right[1, 2]
    np.testing.assert_array_equal(wrong, right)


# ---- what the headers count ------------------------------------------------------------------------------------------


def counted(way, version):
    """32 boxes on four maps: the profile of a launch, and the bytes of all of its different sectors."""
    rng, queries, C, size = np.random.default_rng(0), 32, 64, 7
    shapes = [(side, side) for side in (32, 16, 8, 4)]
    places = sum(h * w for h, w in shapes)
    centre, extent = rng.uniform(0, 128, (1, queries, 2)), np.exp(rng.uniform(np.log(8), np.log(128), (1, queries, 2)))
    boxes = np.concatenate((centre - extent / 2, centre + extent / 2), axis=-1).astype(np.float32)
    looks = _looks(ops.box_levels(boxes, (4, 8, 16, 32), 32.0), shapes, (4, 8, 16, 32))
    given = dict(images=1, queries=queries, places=places, channels=C, size=size, samples=2, boxes=boxes, looks=looks)
    shaped = dict.fromkeys(("y", "dy"), (1, queries, size * size, C)) | dict.fromkeys(("maps", "dmaps"), (1, places, C))
    count = queries if way == "forward" else places
    launch = getattr(table, f"roi_align_{way}")(1, count, C, size, np.float32, version)
    return profile(launch, values_for([launch], shaped, **given)).total


@pytest.mark.parametrize(
    ("way", "version", "fetched", "requests"),
    [("forward", 1, 13.8, 62_600), ("forward", 2, 9.9, 16_176), ("forward", 3, 4.5, 12_463),
     ("backward", 1, 8.5, 143_102), ("backward", 2, 4.4, 14_573)],
)  # fmt: skip
def test_the_counts_of_roi_align(way, version, fetched, requests):
    total = counted(way, version)
    assert round(32 * total.sectors / total.distinct_bytes, 1) == fetched
    assert total.requests == requests


# ---- the operation on the devices ------------------------------------------------------------------------------------


@pytest.fixture(params=["emulator", "stand-in", *["gpu"] * has_gpu()])
def device(request):
    """The emulator; the CUDA back end on a stand-in for CuPy; and on a GPU, where there is one."""
    if request.param == "stand-in":
        request.getfixturevalue("fake_cuda")
    return get_device("emulator" if request.param == "emulator" else "cuda")


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_the_operation_is_numpys(device, dtype, bound):
    for queries, C, size, samples, shapes in SIZES[1:3]:
        boxes, _ = inputs(queries, shapes, dtype)
        maps = np.random.default_rng(0).standard_normal((2, sum(h * w for h, w in shapes), C)).astype(dtype)
        options = shapes, size, STRIDES, samples, (10.0, 2)
        y, cache = device.ops.roi_align_forward(device.asarray(maps), device.asarray(boxes), *options)
        expected, cpu_cache = ops.roi_align_forward(maps, boxes, *options)
        np.testing.assert_allclose(device.to_numpy(y), expected, rtol=0, atol=bound * 5)
        dy = np.random.default_rng(1).standard_normal(y.shape).astype(dtype)
        dmaps = device.ops.roi_align_backward(device.asarray(dy), cache)
        expected = ops.roi_align_backward(dy, cpu_cache)
        np.testing.assert_allclose(
            device.to_numpy(dmaps), expected, rtol=0, atol=bound * max(5, np.abs(expected).max())
        )


def test_what_a_kernel_would_read_past_the_end_for_is_refused():
    kernels = get_device("emulator").ops
    maps, boxes = np.zeros((2, 26, 4), np.float32), np.zeros((2, 3, 4), np.float32)
    with pytest.raises(ValueError, match=r"maps has shape \(2, 26, 4\), expected \(2, 25, 4\)"):
        kernels.roi_align_forward(maps, boxes, ((5, 5),), 2, (4,))
    with pytest.raises(ValueError, match=r"boxes has shape \(2, 3, 5\)"):
        kernels.roi_align_forward(maps, np.zeros((2, 3, 5), np.float32), ((5, 4), (3, 2)), 2, STRIDES)
    y, cache = kernels.roi_align_forward(maps, boxes, ((5, 4), (3, 2)), 2, STRIDES)
    with pytest.raises(ValueError, match=r"dy has shape \(2, 3, 4, 3\), expected \(2, 3, 4, 4\)"):
        kernels.roi_align_backward(y[..., :3], cache)


def test_versions_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="takes a multiple of 4 channels for float32, not 6 and 7"):
        table.roi_align_forward(1, 5, 6, 7, np.float32, 2)
    with pytest.raises(ValueError, match="and at most 16 bins a side, not 8 and 17"):
        table.roi_align_backward(1, 5, 8, 17, np.float32, 2)
    assert table.roi_align_forward(1, 5, 6, 7, np.float32).kernel == "roi_align_forward_v1<float>"
    assert table.roi_align_forward(1, 5, 8, 17, np.float32).kernel == "roi_align_forward_v3<float>"
    assert table.roi_align_backward(1, 5, 8, 17, np.float32).kernel == "roi_align_backward_v1<float>"
    with pytest.raises(ValueError, match="0 images, expected at least 1"):
        table.roi_align_forward(0, 5, 8, 7, np.float32)
