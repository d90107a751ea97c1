"""Each resize rule gives PyTorch's numbers, leaves the prefix tokens alone, and keeps what it is named for."""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.gradcheck import gradcheck
from minivit.ops.resize import METHODS, resize_matrix

FIXTURE = dict(np.load(Path(__file__).parents[1] / "fixtures" / "parity" / "resize.npz"))
PYTORCH = {"bilinear": "bilinear_half_pixel", "bicubic": "bicubic_half_pixel"}  # the others have the same names


def fixture_cases():
    return [(method, size) for method in METHODS for size in ("8x8", "7x9", "3x4", "5x5")]


@pytest.mark.parametrize(("method", "size"), fixture_cases())
@pytest.mark.parametrize("prefix", [0, 1])
def test_equals_pytorch(method, size, prefix):
    new = tuple(map(int, size.split("x")))
    table = FIXTURE["pos"][:, 1 - prefix :]  # its row 0 is the class token's
    out, _ = ops.resize_positions_forward(table, (5, 5), new, prefix, method)
    expected = FIXTURE[f"{PYTORCH.get(method, method)}.{size}"]
    np.testing.assert_allclose(out[:, prefix:], expected, atol=1e-5)
    np.testing.assert_array_equal(out[:, :prefix], table[:, :prefix])
    assert out.dtype == table.dtype == np.float32


@pytest.mark.parametrize("new", [(5, 4), (2, 7), (1, 3), (3, 1)])
@pytest.mark.parametrize("method", METHODS)
def test_gradient(method, new):
    """Larger along one side and smaller along the other, with two prefix tokens."""
    table = np.random.default_rng(0).standard_normal((1, 2 + 3 * 4, 2))
    report = gradcheck(
        lambda table: ops.resize_positions_forward(table, (3, 4), new, 2, method),
        ops.resize_positions_backward,
        {"table": table},
    )
    assert report.ok, f"\n{report}"


@pytest.mark.parametrize("method", METHODS)
def test_the_backward_is_the_transpose(method):
    """⟨resize(x), y⟩ = ⟨x, transpose(y)⟩ for any x and y."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((1, 1 + 3 * 4, 6)), rng.standard_normal((1, 1 + 7 * 5, 6))
    out, cache = ops.resize_positions_forward(x, (3, 4), (7, 5), 1, method)
    assert np.sum(out * y) == pytest.approx(np.sum(x * ops.resize_positions_backward(y, cache)), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_grid_gives_the_same_table(method):
    table = np.random.default_rng(0).standard_normal((1, 13, 6))
    np.testing.assert_allclose(ops.resize_positions_forward(table, (3, 4), (3, 4), 1, method)[0], table, atol=1e-15)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("old", "new"), [(5, 8), (5, 3), (7, 1), (1, 6), (14, 24), (24, 14)])
def test_weights_sum_to_1_and_mirror(method, old, new):
    """A constant table stays constant, and left is treated as right."""
    matrix = resize_matrix(old, new, method)
    assert matrix.shape == (new, old)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-12)
    if new > 1 or "align_corners" not in method:  # one place alone is the first corner
        np.testing.assert_allclose(matrix, matrix[::-1, ::-1], atol=1e-12)


def test_aligned_corners_stay_the_corners():
    table = np.random.default_rng(0).standard_normal((1, 14 * 14, 8))
    for method in ("bilinear_align_corners", "bicubic_align_corners"):
        out = ops.resize_positions_forward(table, (14, 14), (24, 24), 0, method)[0].reshape(24, 24, 8)
        grid = table.reshape(14, 14, 8)
        for place in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
            np.testing.assert_allclose(out[place], grid[place], atol=1e-12)


def test_rows_and_columns_are_not_mixed_up():
    """A table that only knows its row stays one: every column of the resized picture is the same."""
    rows = np.repeat(np.random.default_rng(0).standard_normal((3, 1, 2)), 5, axis=1)
    for method in METHODS:
        out = ops.resize_positions_forward(rows.reshape(1, 15, 2), (3, 5), (6, 4), 0, method)[0].reshape(6, 4, 2)
        np.testing.assert_allclose(out, np.broadcast_to(out[:, :1], out.shape), atol=1e-12)
        assert np.ptp(out, axis=0).min() > 0.1


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"shape \(1, 13, 4\), expected \(1, 12, D\): 0 prefix tokens and .* 3 x 4"):
        ops.resize_positions_forward(np.zeros((1, 13, 4)), (3, 4), (5, 5))
    with pytest.raises(ValueError, match="method is 'nearest', expected one of 'bilinear'"):
        ops.resize_positions_forward(np.zeros((1, 12, 4)), (3, 4), (5, 5), 0, "nearest")
    with pytest.raises(ValueError, match="sides of 3 and 0, expected at least 1"):
        ops.resize_positions_forward(np.zeros((1, 12, 4)), (3, 4), (0, 5))
