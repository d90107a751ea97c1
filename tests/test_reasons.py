"""The likely reasons for a wrong answer: each mistake is recognised by its trace, and none is made up."""

import numpy as np
import pytest

from minivit import check
from minivit.check import Wrong
from minivit.ops import patchify_forward, softmax_forward

rng = np.random.default_rng(0)
X = rng.standard_normal((2, 5, 4))
SQUARE = rng.standard_normal((4, 4))
SCORES = rng.standard_normal((3, 5, 5))
P = softmax_forward(SCORES)[0]


def standard(x, axis):
    return (x - x.mean(axis, keepdims=True)) / x.std(axis, keepdims=True)


REASONS = {
    "nan": (np.where(X > 1, np.nan, X), X, "not finite"),
    "zero": (np.zeros_like(X), X, "All are zero"),
    "sign": (-X, X, "wrong sign"),
    "factor": (X / 8, X, "times 0.125, that is 1/8"),
    "sum for mean": (X * 5, X, "times 5"),
    "transposed": (SQUARE.T, SQUARE, "Axes 0 and 1 are exchanged"),
    "heads and tokens": (X.swapaxes(0, 1), X, "Axes 0 and 1 are exchanged"),
    "rows": (2 * P + 0.1, P, "Rows sum to 2.5, expected 1: is the softmax over the last axis?"),
    "columns": (softmax_forward(SCORES.swapaxes(1, 2))[0].swapaxes(1, 2), P, "Columns sum to 1"),
    "offset": (X + 0.25, X, "off by the same 0.25"),
    "epsilon": (X / np.sqrt(1 + 1e-5 * X**2), X, "nearly right"),
    "rounded": (X.round(4), X, "nearly right"),
    "rows of a softmax in float16": (P.astype(np.float16), P, "nearly right"),
    "a softmax' sign": (-P, P, "wrong sign"),
    "one number": (np.where(np.arange(40).reshape(2, 5, 4) == 34, X + 1, X), X, "Only index 3 of axis 1 is wrong"),
    "one index": (np.concatenate((X[:, :1] + 1, X[:, 1:]), 1), X, "Only index 0 of axis 1 is wrong"),
    "all but one": (np.concatenate((X[:, :1], X[:, 1:] + 1), 1), X, "Only index 0 of axis 1 is right"),
    "order": (X[:, [2, 0, 1, 4, 3]], X, "another order along axis 1"),
    "scrambled": (
        np.arange(64.0).reshape(1, 4, 16),
        patchify_forward(np.arange(64.0).reshape(1, 8, 8, 1), (4, 4))[0],
        "reshaped where it should be transposed",
    ),
    "mean of each row": (X + X.mean(-1, keepdims=True), X, "a number of its own"),
    "scale of each row": (X * np.arange(1, 11).reshape(2, 5, 1), X, "a factor of its own"),
    "keepdims": (X.sum(-1, keepdims=True), X.sum(-1), "keepdims"),
    "not summed": (X, X.sum((0, 1)), "is a sum over axes (0, 1)"),
    "not summed, axis kept": (X, X.sum(0, keepdims=True), "Axis 0 has length 2, not 1: is a sum over it missing"),
    "a pair for its result": (np.stack((X, 3 * X)), X, "Is [0] missing?"),
    "a pair, and more wrong": (np.array((2 * X, 2 * X)), X, "Is [0] missing?"),
    "exchanged axes": (X.transpose(0, 2, 1), X, "Axes 1 and 2 are exchanged"),
    "no scale": (softmax_forward(SQUARE)[0], softmax_forward(SQUARE / 2)[0], "2 times what they should be (2 is √4)"),
    "scale twice": (softmax_forward(SQUARE / 4)[0], softmax_forward(SQUARE / 2)[0], "there twice"),
    "scale after": (softmax_forward(SQUARE)[0] / 2, softmax_forward(SQUARE / 2)[0], "belongs before the softmax"),
    "K Q": (softmax_forward(SQUARE.T)[0], softmax_forward(SQUARE)[0], "The scores are transposed"),
    "no keepdims": (np.exp(SQUARE) / np.exp(SQUARE).sum(-1), softmax_forward(SQUARE)[0], "keepdims=True in the sum"),
    "softmax over axis 0": (softmax_forward(SQUARE.T)[0].T, softmax_forward(SQUARE)[0], "Columns sum to 1"),
    "LayerNorm over tokens": (standard(SQUARE, 0), standard(SQUARE, -1), "over axis 0, expected over the last axis"),
    "LayerNorm over each image's tokens": (standard(X, 1), standard(X, -1), "over axis 1, expected over the last axis"),
    "LayerNorm over an image": (standard(X, (1, 2)), standard(X, -1), "over axes (1, 2), expected over the last axis"),
    "LayerNorm over all": (standard(X, None), standard(X, -1), "over all axes at once"),
    "BatchNorm": (standard(X, (0, 1)), standard(X, -1), "over axes (0, 1)"),
    "not reshaped": (X.reshape(10, 4), X, "a reshape"),
    "one token more": (rng.standard_normal((2, 6, 4)), X, "off by one"),
}


PX, DX = softmax_forward(X)[0], rng.standard_normal(X.shape)
REASONS["a softmax' backward without its sum"] = (
    PX * DX,
    PX * (DX - (PX * DX).sum(-1, keepdims=True)),
    "Each row should sum to 0, and does not",
)
THREE = rng.standard_normal((4, 3))  # the shortest rows of which anything can be said
REASONS |= {
    "mean of each short row": (THREE + THREE.mean(-1, keepdims=True), THREE, "a number of its own"),
    "scale of each short row": (THREE * np.arange(2, 6)[:, None], THREE, "a factor of its own"),
    "no scale of short rows": (softmax_forward(2 * THREE)[0], softmax_forward(THREE)[0], "2 times what they should be"),
    "no mean in a backward": (
        THREE,
        THREE - THREE.mean(-1, keepdims=True),
        "a number of its own",
    ),
}


def said(actual, expected) -> str:
    with pytest.raises(Wrong) as wrong:
        check.close(actual, expected)
    return str(wrong.value)


@pytest.mark.parametrize("name", REASONS)
def test_the_likely_reason(name: str) -> None:
    actual, expected, reason = REASONS[name]
    assert reason in said(actual, expected)


def test_no_reason_is_invented() -> None:
    one_hot = np.eye(3)[[0, 2, 2, 1]]
    for actual, expected in (
        (rng.standard_normal((6, 7)), rng.standard_normal((6, 7))),
        (np.where(np.arange(9) == 4, X.flat[:9], X.flat[9:18]), X.flat[:9]),  # one right by chance
        (np.array([1, 0, 1, 0]), np.array([0, 1, 0, 1])),  # as many ones
        (one_hot * np.arange(1, 4) + 1, one_hot),  # rows that sum to 1, but of no softmax
    ):
        assert "\n" not in said(actual, expected)


def test_rows_and_columns_scaled_at_will_are_no_forgotten_keepdims() -> None:
    """Which divides row i by what belongs to row j, and multiplies by its own: the same numbers in rows and columns."""
    right, own = softmax_forward(SQUARE)[0], np.exp(SQUARE).sum(-1)
    assert "keepdims" in said(right * own[:, None] / own, right)
    for other in (own[::-1], 1 / own, own**2):
        assert "keepdims" not in said(right * own[:, None] / other, right)


def test_negated_scores_are_not_said_to_be_scaled() -> None:
    assert "times what they should be" not in said(softmax_forward(-SQUARE)[0], softmax_forward(SQUARE)[0])
