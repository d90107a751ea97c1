"""Windows, token by token: where each goes, which are kept apart, and how four become one."""

import numpy as np
import pytest

from minivit import ops
from minivit.ops.windows import padded

# Grid, window, shift: windows that divide, or do not along one axis or both; one window; a shift along one axis.
CASES = [
    ((4, 6), (2, 3), (0, 0)),
    ((4, 6), (2, 3), (1, 1)),
    ((8, 12), (4, 4), (2, 2)),
    ((3, 5), (3, 4), (0, 2)),
    ((5, 3), (4, 3), (2, 0)),
    ((6, 10), (4, 4), (2, 2)),
    ((7, 7), (3, 3), (1, 1)),
    ((3, 5), (3, 5), (0, 0)),
    ((1, 1), (1, 1), (0, 0)),
    ((1, 5), (1, 2), (0, 1)),
    ((5, 5), (1, 1), (0, 0)),
]


def places(grid, window):
    """(window, token in it) -> (row, column) of the rolled, padded grid: all in reading order."""
    (rows, columns), (mh, mw) = padded(grid, window), window
    for r in range(rows):
        for c in range(columns):
            yield (r // mh * (columns // mw) + c // mw, r % mh * mw + c % mw), (r, c)


@pytest.mark.parametrize("pad_first", [False, True])
@pytest.mark.parametrize(("grid", "window", "shift"), CASES)
def test_windows_are_the_loop_over_tokens(grid, window, shift, pad_first):
    x = np.random.default_rng(0).standard_normal((2, grid[0] * grid[1], 3))
    y, _ = ops.windows_forward(x, grid, window, shift, pad_first)
    picture = x.reshape(2, *grid, 3)
    around = padded(grid, window) if pad_first else grid  # what is rolled
    seen = 0
    for (w, i), (r, c) in places(grid, window):
        row, column = (r + shift[0]) % around[0], (c + shift[1]) % around[1]
        there = (row < grid[0] and column < grid[1]) if pad_first else (r < grid[0] and c < grid[1])  # else a zero
        expected = picture[:, row, column] if there else 0
        np.testing.assert_array_equal(y[:, w, i], expected)
        seen += 1
    assert y.shape == (2, seen // (window[0] * window[1]), window[0] * window[1], 3)


@pytest.mark.parametrize("pad_first", [False, True])
@pytest.mark.parametrize(("grid", "window", "shift"), CASES)
def test_tokens_come_back_from_their_windows(grid, window, shift, pad_first):
    x = np.random.default_rng(0).standard_normal((2, grid[0] * grid[1], 3))
    windows, _ = ops.windows_forward(x, grid, window, shift, pad_first)
    np.testing.assert_array_equal(ops.unwindows_forward(windows, grid, window, shift, pad_first)[0], x)


def region(place, side, m, shift):
    """Figure 4's, along one axis: before the last window, in it, and what came around. One where nothing is shifted."""
    return 0 if not shift or place < side - m else 1 if place < side - shift else 2


@pytest.mark.parametrize(("grid", "window", "shift"), CASES)
def test_the_mask_keeps_the_papers_nine_regions_apart(grid, window, shift):
    mask = ops.window_mask(grid, window, shift)
    sides = padded(grid, window)
    n = window[0] * window[1]
    assert mask.shape == (sides[0] * sides[1] // n, 1, n, n)
    regions = np.zeros(mask.shape[::2])
    for at, place in places(grid, window):
        regions[at] = 3 * region(place[0], sides[0], window[0], shift[0])
        regions[at] += region(place[1], sides[1], window[1], shift[1])
    expected = np.where(regions[:, :, None] == regions[:, None], 0, -1000)
    np.testing.assert_array_equal(mask[:, 0], expected)


def test_without_zeros_the_mask_keeps_apart_exactly_what_the_roll_brought_together():
    grid, window, shift = (8, 12), (4, 4), (2, 2)
    mask = ops.window_mask(grid, window, shift)
    token = dict(places(grid, window))  # of the rolled grid
    for w in range(6):
        for i in range(16):
            for j in range(16):
                (a, b), (c, d) = (((r + 2) % 8, (q + 2) % 12) for r, q in (token[w, i], token[w, j]))
                assert (mask[w, 0, i, j] == 0) == (abs(a - c) < 4 and abs(b - d) < 4)


def test_four_tokens_become_one_column_by_column():
    x = np.arange(2 * 3 * 5 * 2.0).reshape(2, 15, 2) + 1
    y, _ = ops.merge_patches_forward(x, (3, 5))
    picture = np.zeros((2, 4, 6, 2))
    picture[:, :3, :5] = x.reshape(2, 3, 5, 2)
    expected = [
        np.concatenate([picture[:, 2 * r + i, 2 * c + j] for j in (0, 1) for i in (0, 1)], axis=-1)
        for r in range(2)
        for c in range(3)
    ]
    np.testing.assert_array_equal(y, np.stack(expected, axis=1))


def test_windows_cost_their_size_a_token():
    """Counted: the pairs of tokens that are compared, on a grid of 14 x 14."""
    qkv = np.zeros((1, 196, 24))
    windows, _ = ops.windows_forward(qkv, (14, 14), (7, 7), (3, 3))
    assert ops.self_attention_weights(windows).size == 196 * 49
    assert ops.self_attention_weights(qkv).size == 196 * 196
