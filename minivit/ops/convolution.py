"""Convolution as a matrix product: every window of the picture becomes a row (im2col), the kernel a matrix.

ResNet and BiT are made of these, and the hybrid's stem (ViT, arXiv 2010.11929, section 3.1); max_pool.py slides the
same windows.
"""

import math

import numpy as np

Padding = tuple[tuple[int, int], tuple[int, int]]
WHOLE = int | np.integer
IN_CACHE = 2**17  # numbers, half a megabyte of float32: the rows of as many images as fit are made at a time


def convolution_forward(
    x: np.ndarray, weight: np.ndarray, stride: int = 1, padding: int | Padding | None = None, dilation: int = 1
) -> tuple[np.ndarray, tuple]:
    """y_ijo = Σ_uvc x[i s + u d − top, j s + v d − left, c] w_uvco: without a bias, since a norm follows.

    x (B, height, width, C), weight (kh, kw, C, O); padding ((top, bottom), (left, right)) zeros, a number for as many
    on every side, as in PyTorch, None for "SAME"; dilation d: the kernel's places lie d apart, so that it sees farther.
    Returns y (B, height', width', O) and the cache.
    Cached: x and w. The rows are kh·kw times as large as x: a few images' at a time stay in the processor's cache, and
    the backward makes them again.
    Raises TypeError, ValueError for shapes and options that cannot be, and a kernel larger than the padded picture.
    """
    check_counts(stride=stride, dilation=dilation)
    if x.ndim != 4 or weight.ndim != 4 or x.shape[3] != weight.shape[2]:
        given = f"x has shape {x.shape}, weight {weight.shape}"
        raise ValueError(f"{given}, expected (B, height, width, C) and (kh, kw, C, O) with the same C")
    kernel, matrix = weight.shape[:2], weight.reshape(-1, weight.shape[-1])
    extent = tuple((k - 1) * dilation + 1 for k in kernel)  # from the first to the last pixel of a window
    padding = sides(padding, x.shape[1:3], extent, stride)
    padded = pad(x, padding)
    height, width = ((side - k) // stride + 1 for side, k in zip(padded.shape[1:3], extent, strict=True))
    # In order, whatever x is: so a part of y, flat, is a view, to which the product is written.
    dtype, shape = np.result_type(x.dtype, weight.dtype), (len(x), height, width, weight.shape[-1])
    y = np.empty_like(x, dtype, order="C", shape=shape)
    windows = _windows(padded, extent, stride, dilation)
    for few in _few_images(y, matrix):
        np.matmul(_rows(windows[few]), matrix, out=_flat(y[few]))
    return y, (x, weight, stride, padding, dilation)


def convolution_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """The backward of `y = rows W` is linear.py's; then every number of a row goes back to the pixel it came from, and
    a pixel gets the sum over all windows that it lies in. Where those are at all places, that is a convolution itself,
    of dy with the kernel turned by 180°, which is faster.

    dy (B, height', width', O). Returns dx like x, dweight like weight.
    """
    x, weight, stride, padding, dilation = cache
    kernel, matrix = weight.shape[:2], weight.reshape(-1, weight.shape[-1])
    reach = tuple((k - 1) * dilation for k in kernel)
    padded, dmatrix = pad(x, padding), np.zeros_like(matrix)
    windows = _windows(padded, tuple(r + 1 for r in reach), stride, dilation)
    for few in _few_images(dy, matrix):
        dmatrix += _rows(windows[few]).T @ _flat(dy[few])
    around = tuple((r - a, r - b) for r, (a, b) in zip(reach, padding, strict=True))
    if stride == 1 and min(map(min, around)) >= 0:
        dx, _ = convolution_forward(dy, weight[::-1, ::-1].swapaxes(2, 3), 1, around, dilation)
    else:
        dx = crop(_back_to_pixels(dy, matrix, padded, kernel, stride, dilation), padding)
    return dx, dmatrix.reshape(weight.shape)


def _back_to_pixels(
    dy: np.ndarray, matrix: np.ndarray, padded: np.ndarray, kernel: tuple[int, int], stride: int, dilation: int
) -> np.ndarray:
    """The rows' gradient, each number added where it came from: the padded picture's."""
    dpadded = np.zeros_like(padded)
    for few in _few_images(dy, matrix):
        drows = _flat(dy[few]) @ matrix.T
        drows = drows.reshape(*dy[few].shape[:3], -1, padded.shape[-1])
        for k, place in enumerate(window_places(padded.shape, kernel, stride, dilation)):
            dpadded[few][place] += drows[..., k, :]
    return dpadded


def _few_images(y: np.ndarray, matrix: np.ndarray) -> list[slice]:
    """Which images' rows are made at a time: as many as IN_CACHE holds; on a GPU, which has no such cache, all."""
    if not isinstance(y, np.ndarray):
        return [slice(None)]
    size = max(1, IN_CACHE // max(1, y[:1, ..., 0].size * len(matrix)))
    return [slice(start, start + size) for start in range(0, len(y), size)]


def _windows(padded: np.ndarray, extent: tuple[int, int], stride: int, dilation: int) -> np.ndarray:
    """(B, height, width, C) -> (B, height', width', kh, kw, C): what the kernel lies on, place by place. A view."""
    at_all = np.lib.stride_tricks.sliding_window_view(padded, extent, axis=(1, 2))
    return at_all[:, ::stride, ::stride, :, ::dilation, ::dilation].transpose(0, 1, 2, 4, 5, 3)


def _rows(windows: np.ndarray) -> np.ndarray:
    """Every window, flat, as the kernel is when flat: (B·height'·width', kh·kw·C)."""
    return windows.reshape(-1, math.prod(windows.shape[3:]))


def _flat(y: np.ndarray) -> np.ndarray:
    """Every place's numbers: (B, height, width, C) -> (B·height·width, C)."""
    return y.reshape(-1, y.shape[-1])


def sides(padding: int | Padding | None, size: tuple[int, int], kernel: tuple[int, int], stride: int) -> Padding:
    """The margin ((top, bottom), (left, right)), in whichever way it was given. Raises TypeError where it is none of
    them, ValueError where it is negative, or the kernel larger than the picture with it."""
    if padding is None:
        return same_padding(size, kernel, stride)
    try:
        (top, bottom), (left, right) = ((padding, padding),) * 2 if isinstance(padding, WHOLE) else padding
        understood = all(isinstance(side, WHOLE) for side in (top, bottom, left, right))
    except (TypeError, ValueError):
        understood = False
    if not understood:
        raise TypeError(f"padding is {padding!r}, expected a number, ((top, bottom), (left, right)), or None for SAME")
    if min(top, bottom, left, right) < 0:
        raise ValueError(f"padding is {padding}, expected no negative number")
    padded = size[0] + top + bottom, size[1] + left + right
    if kernel[0] > padded[0] or kernel[1] > padded[1]:
        raise ValueError(
            f"windows of {kernel[0]} x {kernel[1]} pixels do not fit into a picture of {padded[0]} x {padded[1]}, "
            "its padding counted"
        )
    return (top, bottom), (left, right)


def check_counts(**numbers: int) -> None:
    """Raise TypeError, ValueError unless each is a whole number of at least 1."""
    for name, number in numbers.items():
        if not isinstance(number, WHOLE):
            raise TypeError(f"{name} is {number!r}, expected a whole number")
        if number < 1:
            raise ValueError(f"{name} is {number}, expected at least 1")


def same_padding(size: tuple[int, int], kernel: tuple[int, int], stride: int) -> Padding:
    """TensorFlow's and JAX's "SAME": as many zeros as give ⌈size/stride⌉ windows; an odd one goes to the end."""
    pairs = []
    for side, k in zip(size, kernel, strict=True):
        missing = max(0, (-(-side // stride) - 1) * stride + k - side)
        pairs.append((missing // 2, missing - missing // 2))
    return tuple(pairs)


def window_places(
    padded: tuple[int, ...], kernel: tuple[int, int], stride: int, dilation: int = 1
) -> list[tuple[slice, ...]]:
    """For each place in the kernel, in reading order, where its pixels lie in a padded picture (B, height, width, C):
    x[place] (B, height', width', C) is one pixel of every window."""
    # The first window has its place there, and the last one as far from the end as the kernel reaches beyond it.
    rows, columns = (
        [slice(i, side - last + i, stride) for i in range(0, last + 1, dilation)]
        for side, last in zip(padded[1:3], ((k - 1) * dilation for k in kernel), strict=True)
    )
    return [(slice(None), row, column) for row in rows for column in columns]


def pad(x: np.ndarray, padding: Padding, value: float = 0.0) -> np.ndarray:
    """x (B, height, width, C) with a margin of `value`."""
    if not any(map(any, padding)):
        return x
    padded = np.full_like(x, value, shape=padded_shape(x.shape, padding))
    crop(padded, padding)[:] = x
    return padded


def padded_shape(shape: tuple[int, ...], padding: Padding) -> tuple[int, ...]:
    B, height, width, C = shape
    return B, height + sum(padding[0]), width + sum(padding[1]), C


def crop(x: np.ndarray, padding: Padding) -> np.ndarray:
    """What `pad` added is taken away."""
    (top, bottom), (left, right) = padding
    return x[:, top : x.shape[1] - bottom, left : x.shape[2] - right]
