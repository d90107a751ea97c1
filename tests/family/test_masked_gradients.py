"""Every gradient of whole small masked autoencoders and BERTs against central differences. Those of each element by
itself are asked for by `python -m minivit check`, of one BERT in test_command_line.py."""

import numpy as np
import pytest
from ways import assert_slopes

from minivit.proof import BERTS, MAES, noise, small_bert, small_mae
from minivit.proof.masked_models import IDS, MASK, SEGMENTS, bert_places, mae_places


@pytest.mark.parametrize("name", MAES)
def test_a_masked_autoencoders_gradients_along_random_ways(name):
    for parameter, grad, loss, place in mae_places(MAES[name]):
        assert_slopes([(parameter, place, grad)], loss, 1e-4)


@pytest.mark.parametrize("name", BERTS)
def test_a_berts_gradients_along_random_ways(name):
    for parameter, grad, loss, place in bert_places(BERTS[name]):
        assert_slopes([(parameter, place, grad)], loss, 1e-4)


@pytest.mark.parametrize("name", MAES)
def test_no_gradient_of_a_masked_autoencoder_is_all_zero(name):
    """Nothing would be proved of a parameter that nothing depends on."""
    model, rng = small_mae(MAES[name]), np.random.default_rng(0)
    _, grads = model.loss_and_grads(rng.standard_normal((2, *model.config.image_shape)), rng)
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape and np.abs(grad).max() > 1e-4, parameter


@pytest.mark.parametrize("name", [name for name, config in BERTS.items() if config.head != "none"])
def test_no_gradient_of_a_bert_is_all_zero(name):
    model, rng = small_bert(BERTS[name]), np.random.default_rng(0)
    shape = IDS.shape[:1] if model.config.classes else IDS.shape
    pair = {"next_sentence": np.array([0, 1])} if model.config.head == "pretraining" else {}
    labels = rng.integers(0, model.config.classes or model.config.words, shape)
    _, grads = model.loss_and_grads(IDS, labels, MASK, SEGMENTS, **pair, rng=noise())
    assert list(grads) == list(model.params)
    for parameter, grad in grads.items():
        assert grad.shape == model.params[parameter].shape and np.abs(grad).max() > 1e-4, parameter


def test_the_small_models_take_what_there_is_to_choose():
    for configs, switches in (
        (MAES, ("normalize_pixels", "qkv_bias", "gelu")),
        (BERTS, ("head", "pooler", "padding", "gelu")),
    ):
        for switch in switches:
            assert len({getattr(config, switch) for config in configs.values()}) > 1, switch
    assert {config.head for config in BERTS.values()} == {"none", "classifier", "masked words", "pretraining"}
