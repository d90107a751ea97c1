"""docs/family.md: its pictures show the layers of today."""

import sys
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).resolve().parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from make_family import models  # noqa: E402  its folder is found only now

MODELS = models()


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_shows_the_layers_of_today(name):
    with Image.open(DOCS / "family" / f"{name}.png") as image:
        shown = image.text["layers"]
    assert shown == repr(MODELS[name].layers), "python docs/make_family.py draws it anew"
    assert f"](family/{name}.png)" in (DOCS / "family.md").read_text(encoding="utf-8")


def test_every_picture_is_of_a_model():
    assert {path.stem for path in (DOCS / "family").glob("*.png")} == set(MODELS)
