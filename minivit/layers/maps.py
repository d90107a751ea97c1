"""The parts of models that keep a map of the image, (B, height, width, C), as parts.py has those of tokens."""

import math

from .layer import Chain, Layer, Op, Parameter, Residual
from .let import Let, Value


def batch_norm(name: str, C: int, eps: float = 1e-5, momentum: float = 0.1, start: float = 1.0) -> Op:
    """BatchNorm, with running statistics of what training has seen for evaluation.   (..., C) -> (..., C)"""
    return Op(
        "batchnorm",
        Parameter(f"{name}.weight", (C,), mean=start),
        Parameter(f"{name}.bias", (C,)),
        Parameter(f"{name}.running_mean", (C,), buffer=True),
        Parameter(f"{name}.running_var", (C,), mean=1.0, buffer=True),
        by_batch=True,
        momentum=momentum,
        eps=eps,
    )


def frozen_batch_norm(name: str, C: int, eps: float = 1e-5) -> Op:
    """BatchNorm that nothing trains: four constants, which files hold.   (..., C) -> (..., C)"""
    means = dict(weight=1.0, bias=0.0, running_mean=0.0, running_var=1.0)
    constants = (Parameter(f"{name}.{part}", (C,), mean=mean, buffer=True) for part, mean in means.items())
    return Op("frozen_batchnorm", *constants, eps=eps)


def group_norm(name: str, C: int, groups: int, eps: float, start: float = 1.0) -> Op:
    """GroupNorm, which does nothing yet, or starts at another scale.   (B, height, width, C), the same"""
    gamma, beta = Parameter(f"{name}.weight", (C,), mean=start), Parameter(f"{name}.bias", (C,))
    return Op("groupnorm", gamma, beta, groups=groups, eps=eps)


def convolution(name: str, kernel: int, n_in: int, n_out: int, stride: int = 1, dilation: int = 1) -> Op:
    """kernel x kernel, with PyTorch's padding, of which a norm follows: no bias. It starts as N(0, 2/(kernel² out)),
    which keeps the size of gradients through ReLUs (He et al., arXiv 1502.01852).

    (B, height, width, in) -> (B, ⌈height/stride⌉, ⌈width/stride⌉, out)
    """
    shape = kernel, kernel, n_in, n_out
    weight = Parameter(f"{name}.weight", shape, std=math.sqrt(2 / (kernel * kernel * n_out)))
    spread = dict(dilation=dilation) if dilation > 1 else {}
    return Op("convolution", weight, stride=stride, padding=kernel // 2 * dilation, **spread)


def standardised(
    name: str,
    kernel: int,
    n_in: int,
    n_out: int,
    eps: float,
    under_root: bool = True,
    stride: int = 1,
    padding: int | None = None,
) -> Let:
    """A convolution whose weight is standardised before it is used (arXiv 1903.10520). padding: None for "SAME"."""
    weight = Parameter(f"{name}.weight", (kernel, kernel, n_in, n_out), std=(kernel * kernel * n_in) ** -0.5)
    standardise = Chain(Value(weight), Op("weight_standardisation", eps=eps, under_root=under_root))
    read = f"{name}.standard"
    return Let(read, standardise, Op("convolution", read, stride=stride, padding=padding))


def residual_unit(*convolutions: Layer, shortcut: Layer | None = None) -> Chain:
    """y = relu(shortcut(x) + branch(x)): the branch is convolutions, each with its norm, and a ReLU between them (He et
    al., arXiv 1512.03385, figures 2 and 5); the shortcut x itself where none is given."""
    first, *others = convolutions
    branch = [first, *(layer for convolution in others for layer in (Op("relu"), convolution))]
    return Chain(Residual(*branch, shortcut=shortcut), Op("relu"))
