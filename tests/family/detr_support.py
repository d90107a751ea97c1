"""The fixtures of DETR: models of transformers 5.24 with the original's forward, in float64; and small batches."""

from pathlib import Path

import numpy as np

from minivit import load_pretrained
from minivit.family.detr import DETR, DETRConfig

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
# Where the weights are, and what they are called there.
FILES = {
    "detr_hf": ("detr_hf", "Hugging Face, its own ResNet", {}),
    "detr_hf_grid": ("detr_hf_grid", "Hugging Face", {}),
    "detr_original": ("detr_original.safetensors", "authors", {"heads": 4}),
}
NUMBERS = {"detr_original": "detr_hf"}  # whose numbers a file has that has none of its own
DIGITS = DETRConfig.from_name("DETR-digits", queries=6)


def load(name, dtype=np.float64, **options):
    """The model, the fixture's numbers, the source."""
    path, source, told = FILES[name]
    numbers = NUMBERS.get(name, name)
    fixture = {**np.load(FIXTURES / f"{numbers}.npz"), **np.load(FIXTURES / f"{numbers}_grads.npz")}
    return load_pretrained(FIXTURES / path, dtype=dtype, **told | options), fixture, source


def looked_at(fixture):
    """The images, or the maps in their place; their mask; the targets."""
    given = fixture["pixel_values"] if "pixel_values" in fixture else fixture["feature.0"]
    given = given.transpose(0, 2, 3, 1)
    targets = [{"labels": fixture[f"labels.{b}"], "boxes": fixture[f"boxes.{b}"]} for b in range(len(given))]
    return given if "pixel_values" in fixture else [given], fixture["pixel_mask"] != 0, targets


def digits(count=4, seed=0, dtype=np.float64, config=DIGITS):
    """A detector of digits, and images of noise with 0, 1, 2 … objects."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((count, 32, 40, 1)).astype(dtype)
    targets = [{"labels": rng.integers(0, 10, t), "boxes": rng.uniform(0.2, 0.6, (t, 4))} for t in range(count)]
    return DETR(config, seed, dtype), images, targets
