"""Differences of a model through which, in places, no gradient goes on purpose: what is detached there is held."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import ops


class Held:
    """A device whose `detached` gives in every run what it gave in the first: as if it were a constant.

    model.device = held = Held(model.device)
    loss, grads = model.loss_and_grads(…)         the first run
    held.replay()                                 before each of the others
    """

    def __init__(self, device: Any) -> None:
        self._device, self._first, self._left = device, [], None
        same = {name: getattr(device.ops, name) for name in ops.__all__}
        self.ops = SimpleNamespace(**same | {"detached": self._detached})

    def replay(self) -> None:
        self._left = iter(self._first)

    def _detached(self, x: np.ndarray) -> np.ndarray:
        if self._left is None:
            self._first.append(x)
            return x
        return next(self._left)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)
