"""Stochastic gradient descent with momentum, over the buffer of optimizer.py."""

import numpy as np

from .optimizer import FlatParameters


class SGD:
    """Stochastic gradient descent with momentum: v ← μ v + g,   θ ← θ − lr · decay · θ − lr · v.

    What ViT is fine-tuned with, without decay. `velocity` (P,) is v; state and steps as AdamW's.
    """

    def __init__(self, params: FlatParameters, momentum: float = 0.9, decay: float = 0.0) -> None:
        self.state = ("velocity",)
        self.params, self.momentum, self.decay = params, momentum, decay
        self.velocity = np.zeros_like(params.buffer)
        self.steps = 0

    def step(self, grads: np.ndarray, learning_rate: float) -> None:
        """One update of the parameters' buffer from grads (P,)."""
        self.steps += 1
        self.velocity *= self.momentum
        self.velocity += grads
        for part, factor, decayed in self.params.groups:
            theta, rate = self.params.buffer[part], learning_rate * factor
            theta[:decayed] *= 1 - rate * self.decay
            theta -= rate * self.velocity[part]
