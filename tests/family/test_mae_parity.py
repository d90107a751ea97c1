"""A masked autoencoder gives the authors' and Hugging Face's predictions, losses and gradients, from their own files.

The fixtures are facebookresearch/mae's formulas, and transformers 5.24's ViTMAEForPreTraining, in float64.
"""

from pathlib import Path

import numpy as np
import pytest

from minivit import ops
from minivit.layers import Chain
from minivit.weights import mae as files
from minivit.weights.layout import unfill

FIXTURES = Path(__file__).parents[1] / "fixtures" / "family"
SOURCES = {
    "mae_hf": ("Hugging Face", "mae_hf", {}),
    "mae_original": ("authors", "mae_original.safetensors", dict(heads=5, decoder_heads=3)),
}


def near(got, expected, bound, name=""):
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound * max(1, np.abs(expected).max()), err_msg=name)


@pytest.fixture(params=SOURCES)
def name(request):
    return request.param


@pytest.mark.parametrize("normalised", [False, True], ids=["pixels", "normalised pixels"])
@pytest.mark.parametrize(("dtype", "bound"), [(np.float64, 1e-8), (np.float32, 1e-4)])
def test_predictions_losses_and_every_gradient(name, dtype, bound, normalised):
    source, file, options = SOURCES[name]
    fixture, end = np.load(FIXTURES / f"{name}.npz"), "_norm_pix" * normalised
    model = files.load(FIXTURES / file, dtype=dtype, normalize_pixels=normalised, **options)
    images, noise = fixture["images"], fixture["noise"]
    prediction, mask = model(images, noise=noise)
    assert (model.dtype, prediction.dtype, mask.dtype) == (dtype, dtype, dtype)
    near(prediction, fixture["prediction"], bound)
    np.testing.assert_array_equal(mask, fixture["mask"])
    loss, grads = model.loss_and_grads(images, noise=noise)
    assert loss == pytest.approx(float(fixture[f"loss{end}"]), rel=bound)
    assert loss == model.loss(images, noise=noise)
    assert list(grads) == list(model.params)
    assert {grad.dtype for grad in grads.values()} == {np.dtype(dtype)}
    theirs = unfill(files._layout(model.config, files._renamer(source, files.PUBLISHED)), grads | model.buffers)
    keys = [key for key in fixture if key.startswith(f"grad{end}.")]
    assert len(keys) == len(theirs) - 2  # all but the two tables of positions
    for key in keys:
        near(theirs[key.partition(".")[2]], fixture[key], bound, key)
    held, free = model.image_grads(images, noise=noise)
    scale = np.abs(fixture[f"grad_images{end}"]).max()  # they are small: by their own size
    near(held / scale, fixture[f"grad_images_encoder{end}"] / scale, bound)
    near(free / scale, fixture[f"grad_images{end}"] / scale, bound)
    assert np.abs(held - free).max() > 0.01 * scale


def test_the_parts_of_the_forward(name):
    """What is kept and in which order, the tokens on the way, in float32 as the fixture has them, and the target."""
    _, file, options = SOURCES[name]
    fixture = np.load(FIXTURES / f"{name}.npz")
    order, restore = ops.shuffle(fixture["noise"])
    np.testing.assert_array_equal(order, fixture["ids_shuffle"])
    np.testing.assert_array_equal(restore, fixture["ids_restore"])
    for normalised, end in ((False, ""), (True, "_norm_pix")):
        model = files.load(FIXTURES / file, dtype=np.float64, normalize_pixels=normalised, **options)
        near(model.target(fixture["images"]), fixture[f"target{end}"], 1e-8)
    np.testing.assert_array_equal(order[:, : model.config.kept], fixture["ids_keep"])
    if name == "mae_original":
        return  # has no features
    named = model.arrays(model.layers) | {"order": order, "restore": restore}
    encoder, decoder = (chain.parts for chain in model.layers.parts)
    x = fixture["images"].astype(np.float64)
    for part, layers in {
        "embed": encoder[:5],
        "block0": encoder[5:6],
        "latent": encoder[6:],
        "decoder_embed": decoder[:1],
        "decoder_block0": decoder[1:4],
        "decoder_norm": decoder[4:5],
    }.items():
        x = Chain(*layers)(ops, named, x)
        near(x, fixture[f"feature.{part}"], 1e-6, part)


def test_fresh_positions_are_the_published_ones():
    """The tables in both files are the authors' waves: what a new model starts with."""
    for _, file, options in SOURCES.values():
        model = files.load(FIXTURES / file, **options)
        fresh = type(model)(model.config)
        for name, table in model.buffers.items():
            np.testing.assert_allclose(fresh.buffers[name], table, atol=1e-6)
            assert np.abs(table).max() > 0.9
