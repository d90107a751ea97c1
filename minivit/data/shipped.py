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

INDUCTIVE_BIAS = _FOLDER / "inductive_bias.json"
"""What came of CNNs, ViTs and what stands between them, a dict for each training: `architecture`, `images` (as many
digits it learned from), `seed`, `accuracy`, … benchmarks/family/inductive_bias.py trained them; chapters 15, 19 and
30 draw it."""

FAMILY_VARIANTS = _FOLDER / "variants.json"
"""What parts of Swin and MobileViT are worth, a dict for each training from 1,000 digits: `architecture`, `variant`
(what was changed), `seed`, `accuracy`, … benchmarks/family/variants.py trained them; chapter 30 draws it."""

TRAINED_DETECTORS = {name: _FOLDER / f"canvas_{name}.npz" for name in ("deformable", "sparse", "detr")}
"""Detectors of digits on canvases, of seed 0, in half precision: `minivit.load(TRAINED_DETECTORS["detr"])` reads one.
benchmarks/detection.py trained them, and says how well they do."""

DETECTION = _FOLDER / "detection.json"
"""How three detectors of canvases learned, a dict for each training: `detector`, `seed`, `ap50`, …, and `looks`: steps
so far, CPU seconds, AP50. benchmarks/detection.py trained them; chapter 31 draws it."""

DISTILLATION = _FOLDER / "distillation.json"
"""What came of three seeds of a CNN that had 300 labels, and of the ViTs that it taught: accuracies by name."""

DISTILLED = {name: _FOLDER / f"distillation_{name}.npz" for name in ("teacher", "student")}
"""The CNN, and a ViT with a distillation token that learned from it, of seed 0. course/train_deit.py trained them."""

_PHOTOGRAPHS = Path(__file__).parent / "photographs"

PHOTOGRAPHS = {name: _PHOTOGRAPHS / f"{name}.jpg" for name in ("cat", "astronaut", "coffee", "photographer")}
"""Four photographs of 224 x 224 pixels, free of rights: PHOTOGRAPHS.md beside them names the sources."""

PHOTOGRAPHS_SEEN = _PHOTOGRAPHS / "seen.npz"
"""What a real DINOv2 makes of the four, float16: `tokens` (4, 257, 64), in their 64 main directions; `looks`
(4, 6, 257), where the class token looks in the last block, by head; `scales` (12, 2), the mean size of a block's two
LayerScales. The repository's course/photographs.py made it."""
