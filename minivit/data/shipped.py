"""Small models that have been trained on the digits that ship, so that there is something to look into at once.

`ViT.load(TRAINED_DIGITS)` reads it; the repository's course/train_models.py made it, and makes it again.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent / "trained"

TRAINED_DIGITS = _FOLDER / "digits_vit.npz"
"""The model of seed 0: patches of 4 x 4, so 49 and a class token, 48 wide, 3 blocks, 4 heads; float32."""

TRAINED_RESULTS = _FOLDER / "digits_vit.json"
"""What came of three seeds: the configurations, `seeds`, `accuracies` (in [0, 1], on the 2,000 test digits) and
`histories`, a list for each seed with a dict for each epoch; and the versions of Python and NumPy."""

TRAINED_MAE = _FOLDER / "digits_mae.npz"
"""A masked autoencoder of digits, of seed 0, in half precision: `minivit.load(TRAINED_MAE)` reads it. The repository's
benchmarks/family/masked.py made it."""

TRAINED_MAE_RESULTS = _FOLDER / "digits_mae.json"
"""What its encoder is worth where few labels are to be had: by the way to train and the labels, the accuracies of three
seeds (in [0, 1], on the 2,000 test digits)."""

TRAINED_DETECTORS = {name: _FOLDER / f"canvas_{name}.npz" for name in ("deformable", "sparse", "detr")}
"""Detectors of digits on canvases, of seed 0, in half precision: `minivit.load(TRAINED_DETECTORS["detr"])` reads one.
benchmarks/detection.py trained them, and says how well they do."""
