"""Convolution as one matrix product: every window of the picture becomes a row (im2col), the kernel a matrix.

The hybrid's stem is made of these (ViT, arXiv 2010.11929, section 3.1); max_pool.py slides the same windows.
"""

import numpy as np

Padding = tuple[tuple[int, int], tuple[int, int]]


def convolution_forward(
    x: np.ndarray, weight: np.ndarray, stride: int = 1, padding: int | Padding | None = None
) -> tuple[np.ndarray, tuple]:
    """y_ijo = Σ_uvc x[i s + u − top, j s + v − left, c] w_uvco: without a bias, since a norm follows.

    x (B, height, width, C), weight (kh, kw, C, O); padding ((top, bottom), (left, right)) zeros, a number for as many
    on every side, as in PyTorch, None for "SAME".
    Returns y (B, height', width', O) and the cache.
    Cached: x and w. The rows are kh·kw times as large as x, so the backward makes them again.
    """
    kernel = weight.shape[:2]
    padding = sides(padding, x.shape[1:3], kernel, stride)
    rows = _rows(x, kernel, stride, padding)
    y = rows.reshape(-1, rows.shape[-1]) @ weight.reshape(-1, weight.shape[-1])
    return y.reshape(*rows.shape[:3], -1), (x, weight, stride, padding)


def convolution_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The backward of `y = rows W` is linear.py's; then every number of a row goes back to the pixel it came from, and
    a pixel gets the sum over all windows that it lies in.

    dy (B, height', width', O). Returns dx like x, dweight like weight.
    """
    x, weight, stride, padding = cache
    kernel = weight.shape[:2]
    rows = _rows(x, kernel, stride, padding)
    dout = dy.reshape(-1, dy.shape[-1])
    dweight = (rows.reshape(-1, rows.shape[-1]).T @ dout).reshape(weight.shape)
    drows = (dout @ weight.reshape(-1, weight.shape[-1]).T).reshape(*dy.shape[:3], -1, x.shape[-1])
    dpadded = np.zeros_like(x, shape=padded_shape(x.shape, padding))
    for k, place in enumerate(window_places(dpadded.shape, kernel, stride)):
        dpadded[place] += drows[..., k, :]
    return crop(dpadded, padding), dweight


def sides(padding: int | Padding | None, size: tuple[int, int], kernel: tuple[int, int], stride: int) -> Padding:
    """The margin ((top, bottom), (left, right)), in whichever way it was given."""
    if padding is None:
        return same_padding(size, kernel, stride)
    return ((padding, padding),) * 2 if isinstance(padding, int) else padding


def same_padding(size: tuple[int, int], kernel: tuple[int, int], stride: int) -> Padding:
    """TensorFlow's and JAX's "SAME": as many zeros as give ⌈size/stride⌉ windows; an odd one goes to the end."""
    pairs = []
    for side, k in zip(size, kernel, strict=True):
        missing = max(0, (-(-side // stride) - 1) * stride + k - side)
        pairs.append((missing // 2, missing - missing // 2))
    return tuple(pairs)


def window_places(padded: tuple[int, ...], kernel: tuple[int, int], stride: int) -> list[tuple[slice, ...]]:
    """For each place in the kernel, in reading order, where its pixels lie in a padded picture (B, height, width, C):
    x[place] (B, height', width', C) is one pixel of every window."""
    (height, width), (kh, kw) = padded[1:3], kernel
    return [
        (slice(None), slice(u, height - kh + u + 1, stride), slice(v, width - kw + v + 1, stride))
        for u in range(kh)
        for v in range(kw)
    ]


def pad(x: np.ndarray, padding: Padding, value: float = 0.0) -> np.ndarray:
    """x (B, height, width, C) with a margin of `value`."""
    if not any(map(any, padding)):
        return x
    return np.pad(x, ((0, 0), *padding, (0, 0)), constant_values=value)


def padded_shape(shape: tuple[int, ...], padding: Padding) -> tuple[int, ...]:
    B, height, width, C = shape
    return B, height + sum(padding[0]), width + sum(padding[1]), C


def crop(x: np.ndarray, padding: Padding) -> np.ndarray:
    """What `pad` added is taken away."""
    (top, bottom), (left, right) = padding
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]


def _rows(x: np.ndarray, kernel: tuple[int, int], stride: int, padding: Padding) -> np.ndarray:
    """x (B, height, width, C) -> (B, height', width', kh·kw·C): every window, flat, as the kernel is when flat."""
    x = pad(x, padding)
    parts = [x[place] for place in window_places(x.shape, kernel, stride)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)
