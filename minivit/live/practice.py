"""A step of training on what was drawn: the library's own gradient and optimiser, on one image at a time."""

import numpy as np

from ..inspect.embedding import has_patch_filters, patch_filters, position_similarity
from ..model import Classifier, ViT
from ..train.optimizer import AdamW, FlatParameters

LEARNING_RATE = 1e-3


class Practice:
    """A copy of a model that learns from drawings, while the one that was given stays as it was."""

    def __init__(self, model: Classifier) -> None:
        arrays = {name: array.copy() for name, array in model.numpy_arrays().items()}
        self.model = type(model)(model.config, params=arrays)
        self.start = model
        self.params = FlatParameters(self.model.params)
        self.optimizer = AdamW(self.params)
        self.losses: list[float] = []

    @property
    def steps(self) -> int:
        return self.optimizer.steps

    def step(self, image: np.ndarray, label: int) -> float:
        """The loss of one raw image (1, height, width, 1), its gradient, an update by AdamW. Returns the loss before.

        Raises FloatingPointError, and changes nothing, where the gradient is not finite.
        """
        loss, grads = self.model.loss_and_grads(self.model.normalize(image), np.array([label]))
        flat = self.params.flatten(grads)
        if not (np.isfinite(loss) and np.isfinite(flat).all()):
            raise FloatingPointError(f"the loss is {loss}: the parameters stay as they are; start again")
        self.optimizer.step(flat, LEARNING_RATE)
        self.model.buffers |= {name: grads[name] for name in self.model.buffers if name in grads}
        self.losses.append(loss)
        return loss

    def filters(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The first layer's filters now and at the start, (D, rows, columns) each; None where there are none."""
        if not has_patch_filters(self.model):
            return None
        return patch_filters(self.model).mean(axis=-1), patch_filters(self.start).mean(axis=-1)

    def positions(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The cosine of each patch's position with each other's, (gh·gw, gh, gw), now and at the start; None where a
        model has no table of them."""
        if not isinstance(self.model, ViT) or self.model.config.position not in ("1d", "2d", "sincos2d"):
            return None
        return position_similarity(self.model), position_similarity(self.start)
