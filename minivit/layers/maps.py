"""The parts of models that keep a map of the image, (B, height, width, C), as parts.py has those of tokens."""

from .layer import Op, Parameter


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
