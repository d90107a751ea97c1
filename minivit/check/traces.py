"""The traces that mistakes of a Transformer leave: in softmax, in attention's scores, in LayerNorm and its backward.

Each function takes two arrays of one shape, what there is and what was expected, and gives a sentence or None.
"""

import numpy as np


def divided(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """Rows that are none of a softmax, where expected are such: divided by the sums of others, or once more."""
    if (actual <= 0).any() or (expected <= 0).any():
        return None
    sums = actual.sum(-1, keepdims=True)
    if actual.ndim > 1 and actual.shape[-1] == actual.shape[-2]:
        ratio = np.log(actual / expected)  # of row i and column j: log of sum i over sum j
        by_row, by_column = ratio - ratio[..., :1, :], ratio - ratio[..., :, :1]
        antisymmetric = _alike(ratio, -ratio.swapaxes(-1, -2), 1e-6)
        if antisymmetric and _alike(by_row, by_row[..., :1] + 0 * by_row) and _alike(by_column, by_column[..., :1, :]):
            return "Each row is divided by the sums of the others, not by its own: keepdims=True in the sum?"
    if np.allclose(sums, sums.flat[0], rtol=1e-6):
        power = _power(actual, expected)
        if power and abs(power * sums.flat[0] - 1) < 1e-4:
            return (
                f"The softmax is taken of scores that are {power:.4g} times too large, and divided by {power:.4g} "
                "afterwards: the scale, 1/√d, belongs before the softmax."
            )
    return None


def scores(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """Two softmaxes, of scores that differ in a way that is known. A row's logarithms are its scores but for a number
    that softmax does not see."""
    if expected.ndim < 2 or expected.shape[-1] < 3 or not all(map(_softmax, (actual, expected))):
        return None
    power = _power(actual, expected)
    if power:
        times = f"{power:.4g}" if power > 1 else f"{power:.4g}, that is 1/{1 / power:.4g},"
        root = f" ({power:.4g} is √{power**2:.4g})" if power > 1 else ""
        missing = "missing" if power > 1 else "there twice"
        return f"The scores in the softmax are {times} times what they should be{root}: is the scale 1/√d {missing}?"
    if expected.shape[-1] == expected.shape[-2]:
        ours, theirs = (_centred(_centred(np.log(a), -1), -2) for a in (actual, expected))
        if _alike(ours, theirs.swapaxes(-1, -2), 1e-6) and not _alike(ours, theirs, 1e-6):
            return "The scores are transposed, those of K Qᵀ: q's rows ask, so it is q @ k.T."
    return None


def normalised(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """What has mean 0 and variance 1 over other axes than expected."""
    if expected.ndim < 2 or min(expected.shape) < 2 or not _standard(expected, (-1,)):
        return None
    every = tuple(range(expected.ndim))
    choices = [(axis,) for axis in every[:-1]] + [every[:-1], every[1:], every]
    for axes in choices:
        if _standard(actual, axes) and not _standard(actual, (-1,)):
            over = "all axes at once" if axes == every else f"axis {axes[0]}" if len(axes) == 1 else f"axes {axes}"
            return f"It has mean 0 and variance 1 over {over}, expected over the last axis: each token by itself."
    return None


def projected(actual: np.ndarray, expected: np.ndarray) -> str | None:
    """The backward of a norm or a softmax takes something away from each row, so that its sum is 0."""
    if expected.ndim < 2 or expected.shape[-1] < 3:
        return None
    size = np.max(np.abs(expected), initial=0.0)
    rest = actual - expected
    if not size or (np.abs(expected.sum(-1)) > 1e-6 * size).any() or _alike(rest, 0 * rest):
        return None
    if (np.abs((expected * rest).sum(-1)) <= 1e-3 * size**2).all():
        return (
            "Each row is right but for what is to be taken away from it: are both means there, that of d and that of "
            "d · x̂ (LayerNorm's two)?"
        )
    one_sign = (rest > 0).all(-1) | (rest < 0).all(-1)  # softmax's is p times a number a row, a mean the number itself
    if (np.abs(actual.sum(-1)) > 1e-6 * size).all() and one_sign.all():
        return "Each row should sum to 0, and does not: is the row's mean, or its weighted sum, not taken away?"
    return None


def _power(actual: np.ndarray, expected: np.ndarray) -> float | None:
    """t, where actual's logarithms are t times expected's, but for a number a row."""
    ours, theirs = (_centred(np.log(a), -1) for a in (actual, expected))
    size = float(np.sum(theirs * theirs))
    power = float(np.sum(ours * theirs)) / size if size else 0.0
    return power if power > 0 and abs(power - 1) > 1e-3 and _alike(ours, power * theirs, 1e-6) else None


def _softmax(array: np.ndarray) -> bool:
    return bool((array > 0).all() and (np.abs(array.sum(-1) - 1) < 1e-6).all())


def _standard(array: np.ndarray, axes: tuple[int, ...]) -> bool:
    mean, var = array.mean(axes), array.var(axes)
    return bool((np.abs(mean) < 1e-6).all() and (np.abs(var - 1) < 1e-2).all())


def _centred(array: np.ndarray, axis: int) -> np.ndarray:
    return array - array.mean(axis, keepdims=True)


def _alike(a: np.ndarray, b: np.ndarray, tol: float = 1e-6) -> bool:
    return a.shape == np.shape(a + b) and bool(np.all(np.abs(a - b) <= tol * np.max(np.abs(b), initial=1e-9)))
