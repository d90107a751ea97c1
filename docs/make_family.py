"""docs/family/*.png, the pictures of family.md: each architecture, drawn from the layers that run.

python docs/make_family.py     after pip install -e .
"""

from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

import minivit
from minivit import draw, family
from minivit.train.recipes import recipe

FOLDER = Path(__file__).resolve().parent / "family"
DIGITS = ("vit", "hybrid", "resnet", "bit", "swin", "pvt", "mobilevit")  # as `train --architecture` makes them


def models() -> dict[str, object]:
    """Name of the picture -> a model, small where nobody says which size."""
    configs = {name: recipe(name, None, "digits")[0] for name in DIGITS}
    configs["mae"] = minivit.MAEConfig(
        image_size=28, patch_size=4, channels=1, width=48, depth=3, heads=4,
        decoder_width=32, decoder_depth=1, decoder_heads=4,
    )  # fmt: skip
    configs["bert"] = minivit.BERTConfig(words=100, width=48, depth=3, heads=4, head="pretraining", dropout=0.0)
    return {name: family.kind_of(config)(config) for name, config in configs.items()}


def drawn(name: str, model: object) -> bytes:
    """The file of a picture, in which its layers are also written in words: a test asks whether they still are so."""
    picture, words, file = draw.layers(model.layers, alt=f"the layers of {name}"), PngInfo(), BytesIO()
    words.add_text("layers", repr(model.layers), zip=True)
    with Image.open(BytesIO(picture.png)) as image:
        image.save(file, format="png", optimize=True, pnginfo=words)
    return file.getvalue()


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, model in models().items():
        data = drawn(name, model)
        (FOLDER / f"{name}.png").write_bytes(data)
        print(f"docs/family/{name}.png: {len(data):,} bytes")
