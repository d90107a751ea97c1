"""Which version of a kernel was asked for, and what a version asks for in its turn."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rung:
    """row: bytes of which a head's row must be a multiple. only: the dtype that it is written for. least: the compute
    capability that it needs, 80 for 8.0."""

    row: int = 1
    only: type | None = None
    least: int = 0

    def takes(self, d: int, dtype: np.dtype) -> bool:
        """Heads of d numbers?"""
        return d * dtype.itemsize % self.row == 0 and self.only in (None, dtype)


def check_version(name: str, version: int | None, versions: tuple[int, ...]) -> int | None:
    """The version, or None for the best that fits. Raises ValueError where there is none of that number."""
    if version is not None and version not in versions:
        raise ValueError(f"{name} has no version {version!r}, only {', '.join(map(str, versions))}")
    return version
