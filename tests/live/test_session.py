"""The page's questions are answered by the model; a stranger's are refused in a sentence, and change nothing."""

import json
import struct

import numpy as np
import pytest

from minivit import BERT, BERTConfig, ViT, ViTConfig, family, load_mnist
from minivit.data import TRAINED_DETECTORS, TRAINED_DIGITS
from minivit.live import views
from minivit.live.about import about
from minivit.live.session import MOST_STEPS, TRIED, Session, check_model
from minivit.live.wire import body, packed
from minivit.train.recipes import recipe

DIGITS = load_mnist()
IMAGE = DIGITS.test_images[:1]
PIXELS = IMAGE.ravel().tolist()


@pytest.fixture(scope="module")
def model():
    return ViT.load(TRAINED_DIGITS)


@pytest.fixture
def session(model):
    return Session(model)


def ask(session, ask, **more):
    return session.answer({"id": "7", "ask": ask, "pixels": PIXELS} | more)


def test_see_answers_for_the_model_and_an_untrained_one(session, model):
    answer = ask(session, "see")
    assert answer["id"] == "7" and answer["milliseconds"] > 0 and "error" not in answer
    np.testing.assert_allclose(answer["logits"], model(model.normalize(IMAGE))[0], atol=1e-5)
    blank = session.untrained
    np.testing.assert_array_equal(np.stack(answer["untrained"]), blank.attention(blank.normalize(IMAGE))[:, 0])
    assert abs(float(blank(blank.normalize(IMAGE)).std())) < 1, "it has not been trained"


def test_knobs_reach_the_answer_the_gradient_and_the_walk(session):
    for name in ("see", "gradient", "walk"):
        plain, other = (ask(session, name, **{"class": 9}, root=root) for root in (True, False))
        key = {"see": "logits", "gradient": "gradient"}.get(name)
        arrays = [one[key] if key else one["steps"][-1]["array"] for one in (plain, other)]
        assert np.abs(arrays[0] - arrays[1]).max() > 1e-4, name


def test_steps_change_what_answers_and_reset_takes_them_back(session, model):
    before = ask(session, "see")["logits"]
    assert ask(session, "step", label=3, steps=10)["steps"] == 10
    ask(session, "see", root=False)
    answer = ask(session, "step", label=3, steps=5)
    assert answer["steps"] == 15 and len(answer["losses"]) == 15 and answer["losses"][-1] < answer["losses"][0]
    after = ask(session, "see")["logits"]
    assert after.argmax() == 3 != before.argmax()
    altered = views.altered(session.model, root=False, positions=True)
    logits = ask(session, "see", root=False)["logits"]
    np.testing.assert_allclose(logits, altered(altered.normalize(IMAGE))[0], atol=1e-5)  # no model of before the steps
    assert answer["tried"]["of"] == TRIED and 0 <= answer["tried"]["right"] < 195
    again = ask(session, "reset")
    assert again["steps"] == 0 and again["tried"]["right"] == 195
    np.testing.assert_array_equal(ask(session, "see")["logits"], before)
    assert session.given is model


def test_a_digit_is_one_of_the_test_set(session):
    answer = ask(session, "digit")
    found = np.flatnonzero((DIGITS.test_images.reshape(2000, -1) == answer["pixels"]).all(axis=1))
    assert answer["label"] in DIGITS.test_labels[found]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ([1], "the request is no object"),
        ({"ask": "open /etc/passwd"}, "ask is 'open /etc/passwd', expected one of see, gradient"),
        ({"ask": ["see"]}, "expected one of"),
        ({"ask": "see"}, "no list of 784 numbers"),
        ({"ask": "see", "pixels": PIXELS[1:]}, "no list of 784 numbers"),
        ({"ask": "see", "pixels": "0" * 784}, "no list of 784 numbers"),
        ({"ask": "see", "pixels": [256] + PIXELS[1:]}, "whole numbers in 0 … 255"),
        ({"ask": "see", "pixels": [-1] + PIXELS[1:]}, "whole numbers in 0 … 255"),
        ({"ask": "see", "pixels": [0.5] + PIXELS[1:]}, "whole numbers in 0 … 255"),
        ({"ask": "see", "pixels": [True] + PIXELS[1:]}, "whole numbers in 0 … 255"),
        ({"ask": "see", "pixels": PIXELS, "root": 1}, "expected true or false"),
        ({"ask": "gradient", "pixels": PIXELS, "class": 10}, "class is 10, expected a whole number in 0 … 9"),
        ({"ask": "gradient", "pixels": PIXELS, "class": -1}, "class is -1"),
        ({"ask": "gradient", "pixels": PIXELS, "class": True}, "class is True"),
        ({"ask": "step", "pixels": PIXELS, "label": 3}, "steps is None"),
        ({"ask": "step", "pixels": PIXELS, "label": 3, "steps": MOST_STEPS + 1}, "in 1 … 100"),
        ({"ask": "step", "pixels": PIXELS, "label": "3", "steps": 1}, "label is 3, expected a whole"),
    ],
)
def test_a_stranger_s_request_is_refused_in_a_sentence(session, request_, said):
    answer = session.answer(request_)
    assert said in answer.get("error", "") and answer.keys() == {"id", "error", "milliseconds"}
    assert session.practice is None


def test_a_model_that_cannot_be_altered_says_so():
    config, _ = recipe("pvt", None, "digits")
    session = Session(family.PVT(config, seed=0))
    assert "a PVT has other attention" in ask(session, "see", root=False)["error"]
    assert about(session.given)["fixed"] and not about(session.given)["lens"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda: BERT(BERTConfig(width=8, depth=1, heads=2)),
            "a classifier of digits, and this is a BERT",
        ),
        (lambda: "model.npz", "a classifier of digits, and this is a str"),
        (lambda: ViT(ViTConfig(28, 7, 1, 0, 8, 1, 2)), "has no head"),
        (lambda: ViT(ViTConfig(28, 7, 3, 10, 8, 1, 2)), r"shape \(28, 28, 3\), expected small grey squares"),
        (lambda: ViT(ViTConfig(224, 16, 1, 10, 8, 1, 2)), "expected small grey squares"),
    ],
)
def test_what_cannot_be_drawn_for_is_refused_by_name(made, said):
    with pytest.raises((TypeError, ValueError), match=said):
        check_model(made())


def test_a_detector_is_refused():
    with pytest.raises(TypeError, match="this is a DETR"):
        check_model(family.load(TRAINED_DETECTORS["detr"]))


# ---- what the page knows before the first stroke ---------------------------------------------------------------------


def test_the_page_is_told_what_the_model_is(model):
    told = about(model)
    assert json.loads(json.dumps(told)) is not None
    assert told["blocks"] == [{"heads": 4, "queries": (1, 7), "keys": (1, 7)}] * 3
    assert [one["label"] for one in told["examples"]] == list(range(10)) and told["names"] == list("0123456789")
    assert told["reader"] == "the class token" and told["lens"] == 4 and told["positions"] and not told["fixed"]


def test_another_model_s_classes_have_their_names_and_no_digits_of_mnist():
    model = ViT(ViTConfig(28, 7, 1, 2, 8, 1, 2, pool="gap"))
    model.class_names = ("cat", "<script>")
    told = about(model)
    assert told["names"] == ["cat", "<script>"] and told["examples"] == [] and told["reader"].startswith("all patches")
    pixels = [0] * 784
    answer = Session(model).answer({"ask": "step", "label": 1, "steps": 1, "pixels": pixels})
    assert answer["tried"] is None and answer["steps"] == 1


@pytest.mark.parametrize("architecture", ["swin", "pvt", "mobilevit"])
def test_the_page_is_told_the_grids_of_the_family(architecture):
    config, _ = recipe(architecture, None, "digits")
    told = about(family.kind_of(config)(config, seed=0))
    assert told["blocks"] and all(one["queries"][1] in (4, 7, 8) for one in told["blocks"])


# ---- on the wire -----------------------------------------------------------------------------------------------------


def test_arrays_travel_beside_the_words():
    answer = {"a": np.arange(6.0).reshape(2, 3), "b": [{"c": np.float32([0.5]).reshape(1)}, "word"], "d": None}
    content, buffers = packed(answer)
    assert content == {
        "a": {"array": 0, "shape": [2, 3]}, "b": [{"c": {"array": 1, "shape": [1]}}, "word"], "d": None,
    }  # fmt: skip
    assert [np.frombuffer(one, "<f4").tolist() for one in buffers] == [[0, 1, 2, 3, 4, 5], [0.5]]
    whole = body(answer)
    (length,) = struct.unpack_from("<I", whole)
    assert length % 4 == 0 and json.loads(whole[4 : 4 + length]) == content
    assert whole[4 + length :] == b"".join(buffers)


def test_an_array_that_is_not_contiguous_travels_in_reading_order():
    _, (buffer,) = packed(np.arange(6.0).reshape(2, 3).T)
    assert np.frombuffer(buffer, "<f4").tolist() == [0, 3, 1, 4, 2, 5]
