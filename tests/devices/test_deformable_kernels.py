"""Deformable attention: each version against NumPy, at ragged sizes, in any order; and what its headers count."""

import numpy as np
import pytest
from deformable_support import every_launch_for, inputs, magnitudes, reference, shapes_of, sorting
from kernel_support import (
    FLOAT_AND_DOUBLE,
    SOURCE_AND_PTX,
    assert_close_to_reference,
    assert_same_bits_in_every_order,
    compile_together,
    has_gpu,
    nans,
    profile,
    run_by_name,
    values_for,
)

from minivit.devices import get_device
from minivit.devices.launches import deformable
from minivit.gradcheck import gradcheck

F32, F64 = np.float32, np.float64
MAPS = (5, 7), (3, 4), (1, 1)
# B, Q, H, P, and the widths of a head for each version: whole vectors, more of them than a warp has lanes, or any.
SIZES = [(2, 17, 3, 2), (1, 1, 1, 1), (1, 33, 2, 3)]
WIDTHS = {(1, F32): (7, 16), (1, F64): (3,), (2, F32): (4, 12, 32, 132), (2, F64): (2, 6, 66)}
VERSIONS = pytest.mark.parametrize("version", deformable.VERSIONS["deformable_attention_forward"])

for (version, dtype), widths in WIDTHS.items():
    for d in widths:
        compile_together(every_launch_for(inputs(1, 1, 1, 1, d, MAPS, dtype), version))


def made(values, version, via="source"):
    """What the launches write, by name; the keys besides."""
    launches = every_launch_for(values, version)
    found = {name: nans(shape, values["value"].dtype) for name, shape in shapes_of(values).items()}
    keys = {"keys": np.full_like(values["keys"], -1)}
    run_by_name(launches, values | found | keys, via)
    return found | (keys if version == 2 else {})


def check(values, version, via="source"):
    found, wide, narrow = made(values, version, via), reference(values, F64), reference(values, F32)
    bounds = magnitudes(values)
    for name in shapes_of(values):
        assert_close_to_reference(found[name], wide[name], narrow[name], bounds[name])
    if version == 2:
        np.testing.assert_array_equal(found["keys"], values["keys"])


@SOURCE_AND_PTX
@FLOAT_AND_DOUBLE
@VERSIONS
def test_numpys_numbers(version, dtype, via):
    for d in WIDTHS[version, dtype]:
        for B, Q, H, P in SIZES if via == "source" else SIZES[:1]:
            check(inputs(B, Q, H, P, d, MAPS, dtype), version, via)


@VERSIONS
def test_all_samples_in_one_cell_and_all_outside(version):
    """A cell that everybody looks at, and none that anybody does."""
    check(inputs(1, 33, 2, 3, 16, MAPS, F32, low=0.45, high=0.5), version)
    values = inputs(2, 17, 3, 2, 16, MAPS, F32, low=2, high=3)
    values["locations"][0, 0] = np.nan
    for name, result in made(values, version).items():
        assert name == "keys" or not result.any(), name


@FLOAT_AND_DOUBLE
@VERSIONS
def test_the_same_bits_in_any_order(version, dtype):
    """No atomics: a cell that many look at is the sum of the same numbers in the same order, whoever comes first."""
    values = inputs(2, 17, 3, 2, WIDTHS[version, dtype][0], MAPS, dtype)
    for launch in every_launch_for(values, version):
        assert_same_bits_in_every_order([launch], values_for([launch], shapes_of(values), **values))


def test_heads_have_a_power_of_two_of_lanes_with_a_vector_each():
    lanes = [deformable.lanes(d, np.dtype(F32)) for d in (4, 8, 12, 16, 20, 32, 64, 128, 132)]
    assert lanes == [1, 2, 4, 4, 8, 8, 16, 32, 32]
    assert deformable.lanes(32, np.dtype(F64)) == 16


def test_what_there_is_not_is_refused():
    with pytest.raises(ValueError, match="deformable_attention_forward has no version 3, only 1, 2"):
        deformable.deformable_attention_forward(1, 1, 1, 8, F32, 3)
    with pytest.raises(ValueError, match=r"version 2 takes heads of a multiple of 4 for float32, not 7"):
        deformable.deformable_attention_backward(1, 1, 1, 1, 1, 1, 7, F32, 2)


# ---- the operation ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["emulator", "stand-in", *["gpu"] * has_gpu()])
def device(request):
    """The emulator; the CUDA back end on a stand-in for CuPy; and on a GPU, where there is one."""
    if request.param == "stand-in":
        request.getfixturevalue("fake_cuda")
    return get_device("emulator" if request.param == "emulator" else "cuda")


@pytest.mark.parametrize("d", [8, 7])  # rows of 7 are no multiple of 16 bytes
@pytest.mark.parametrize(("dtype", "bound"), [(F32, 3e-5), (F64, 1e-12)])
def test_the_operation_is_numpys(device, dtype, bound, d):
    values = inputs(2, 17, 3, 2, d, MAPS, dtype)
    value, dy = (values[name].reshape(2, -1, 3 * d) for name in ("value", "dy"))
    y, cache = device.ops.deformable_attention_forward(
        *map(device.asarray, (value, values["locations"], values["weights"])), MAPS
    )
    results = [y, *device.ops.deformable_attention_backward(device.asarray(dy), cache)]
    for (name, expected), got in zip(reference(values, F64).items(), results, strict=True):
        got = device.to_numpy(got)
        assert got.dtype == dtype
        np.testing.assert_allclose(got.reshape(expected.shape), expected, atol=bound, rtol=0, err_msg=name)


def test_every_version_of_the_operation(monkeypatch):
    emulator = get_device("emulator").ops
    values = inputs(2, 17, 3, 2, 8, MAPS, F32)
    value = values["value"].reshape(2, -1, 24)
    for version in (1, 2):
        for ladder in deformable.VERSIONS:
            monkeypatch.setitem(emulator.versions, ladder, version)
        y, cache = emulator.deformable_attention_forward(value, values["locations"], values["weights"], MAPS)
        assert y.tobytes() == made(values, version)["y"].tobytes()
        dvalue, *_ = emulator.deformable_attention_backward(values["dy"].reshape(y.shape), cache)
        assert dvalue.tobytes() == made(values, version)["dvalue"].tobytes()


def test_its_gradients_are_differences():
    """Of the kernels' own forward, in double, with places that stay between two cells."""
    emulator, sizes = get_device("emulator").ops, np.array([[(width, height)] for height, width in MAPS], float)
    cells = np.random.default_rng(1).integers(-2, 6, (1, 4, 2, 3, 2, 2))

    def forward(value, moves, weights):
        locations = (cells + 1 + 0.3 * moves) / sizes
        return emulator.deformable_attention_forward(value, locations, weights, MAPS)

    def backward(dy, cache):
        dvalue, dlocations, dweights = emulator.deformable_attention_backward(dy, cache)
        return dvalue, dlocations * 0.3 / sizes, dweights

    rng = np.random.default_rng(0)
    arguments = {
        "value": rng.uniform(-1, 1, (1, 48, 4)),
        "moves": rng.uniform(-1, 1, cells.shape),
        "weights": rng.uniform(-1, 1, cells.shape[:-1]),
    }
    report = gradcheck(forward, backward, arguments)
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize(
    ("value", "locations", "weights", "message"),
    [
        ((2, 47, 24), (2, 5, 3, 3, 2, 2), (2, 5, 3, 3, 2), r"value has shape \(2, 47, 24\), expected \(2, 48, 24\)"),
        ((2, 48, 24), (2, 5, 3, 2, 2, 2), (2, 5, 3, 2, 2), r"locations has .*expected \(2, 5, 3, 3, 2, 2\)"),
        ((2, 48, 24), (2, 5, 3, 3, 2, 2), (2, 5, 3, 3, 1), r"weights has .*expected \(2, 5, 3, 3, 2\)"),
    ],
)
def test_other_shapes_are_refused(value, locations, weights, message):
    arrays = (np.zeros(shape, F32) for shape in (value, locations, weights))
    with pytest.raises(ValueError, match=message):
        get_device("emulator").ops.deformable_attention_forward(*arrays, MAPS)


# ---- what the headers count ------------------------------------------------------------------------------------------


def counted():
    """One image: 100 queries with a reference each, 8 heads of 32, whose samples lie up to four cells from it."""
    maps = (20, 27), (10, 14), (5, 7)
    values = inputs(1, 100, 8, 4, 32, maps, F32)
    rng = np.random.default_rng(0)
    sizes = np.array([[(width, height)] for height, width in maps])
    offsets = rng.uniform(-4, 4, values["locations"].shape) / sizes
    values["locations"][:] = rng.random((1, 100, 1, 1, 1, 2)) + offsets
    return values | sorting(values["locations"], maps)


def totals(values, version):
    """By the kernel's first name."""
    return {
        launch.kernel.partition("<")[0]: profile(launch, values_for([launch], shapes_of(values), **values))
        for launch in every_launch_for(values, version)
    }


def test_the_counts():
    values = counted()
    first, second = totals(values, 1), totals(values, 2)
    forward = first["deformable_forward_v1"].total, second["deformable_forward_v2"].total
    assert [total.requests for total in forward] == [56_965, 15_749]
    assert [round(32 * total.sectors / 1e6, 1) for total in forward] == [4.2, 4.1]
    assert [round(total.distinct_bytes / 1e6, 2) for total in forward] == [0.9, 0.9]

    samples = first["deformable_backward_samples_v1"], second["deformable_backward_samples_v2"].total
    (cell,) = [line for line in samples[0].lines if line.array == "value"]
    assert round(cell.moved / cell.requests, 1) == 19.7
    assert [samples[0].total.requests, samples[1].requests] == [79_500, 32_816]
    assert [round(32 * total.sectors / 1e6, 1) for total in (samples[0].total, samples[1])] == [28.7, 4.0]

    cells = [first["deformable_backward_cells_v1"].total]
    sorted_cells = [second[name].total for name in ("deformable_keys", "deformable_backward_cells_v2")]
    assert [sum(total.requests for total in some) for some in (cells, sorted_cells)] == [4_480_326, 65_895]
    assert [round(sum(32 * total.sectors for total in some) / 1e6, 1) for some in (cells, sorted_cells)] == [146.2, 8.9]


def test_what_must_move_moves_once():
    """Different sectors: each cell that a sample touches, each weight of a sample that touches one, all locations."""
    values = counted()
    total = totals(values, 2)["deformable_forward_v2"].total
    touched = reference(values | {name: np.ones_like(values[name]) for name in ("weights", "dy")}, F32)["dvalue"]
    cells = np.count_nonzero(touched.any(axis=-1)) * 4  # a head's row of 32 floats is four sectors
    weights = np.count_nonzero((values["keys"] < values["nowhere"]).reshape(-1, 8).any(axis=1))
    others = sum(-(-values[name].nbytes // 32) for name in ("locations", "levels"))
    assert total.distinct_read == cells + weights + others
    assert total.distinct_written * 32 == values["dy"].nbytes
