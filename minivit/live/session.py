"""One page's conversation with a model: a request, a dict, in; an answer, a dict with arrays, out.

    {"ask": "see", "pixels": […]}     what the model makes of a drawing, and an untrained one beside it
    {"ask": "gradient", "class": 9}   which ink speaks for a class
    {"ask": "step", "label": 3}       a step of training on the drawing; "reset" takes all of them back
    {"ask": "walk"}                   every array of the forward
    {"ask": "digit"}                  a digit that the model has not seen in training

Requests may come from anybody's page, so each is checked as a stranger's.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..data import load_mnist
from ..data.preprocess import sees_digits
from ..model import Classifier, ViT
from . import views
from .practice import Practice
from .walk import picture_of, source_of, walk

MOST_STEPS = 100
TRIED = 200  # test digits that are read again after steps of training


class Session:
    """A model, the copy of it that may learn, and an untrained one. Answers are given one after the other."""

    def __init__(self, model: Classifier, seed: int = 0) -> None:
        """Raises TypeError or ValueError for a model that the page cannot draw for."""
        check_model(model)
        self.given = model
        self.untrained = type(model)(model.config, seed=1, init="fan_in")
        self.practice: Practice | None = None
        self.side = model.config.image_shape[0]
        self._rng = np.random.default_rng(seed)
        self._altered: dict[tuple, ViT] = {}
        self._lock = threading.Lock()
        self._answers: dict[str, Callable[[dict], dict]] = {
            "see": self._see,
            "gradient": self._gradient,
            "step": self._step,
            "reset": self._reset,
            "walk": self._walk,
            "digit": self._digit,
        }

    @property
    def model(self) -> Classifier:
        """What answers: the model as it was given, or as it is after steps of training."""
        return self.practice.model if self.practice else self.given

    def answer(self, request: Any) -> dict[str, Any]:
        """The answer to one request. What is wrong with one is said in the answer, under "error"."""
        start = time.thread_time()
        try:
            if not isinstance(request, dict):
                raise TypeError("the request is no object")
            asked = self._answers.get(str(request.get("ask")))
            if asked is None:
                raise ValueError(f"ask is {str(request.get('ask'))[:40]!r}, expected one of {', '.join(self._answers)}")
            with self._lock:
                answer = asked(request)
        except (TypeError, ValueError, FloatingPointError) as error:
            answer = {"error": str(error)}
        return (
            {"id": request.get("id") if isinstance(request, dict) else None}
            | answer
            | {"milliseconds": 1000 * (time.thread_time() - start)}
        )

    # ---- the answers -------------------------------------------------------------------------------------------------

    def _see(self, request: dict) -> dict:
        image = self._image(request)
        seen, blank = (views.see(self._with_knobs(model, request), image) for model in (self.model, self.untrained))
        return {"logits": seen.logits, "maps": seen.maps, "lens": seen.lens, "untrained": blank.maps}

    def _gradient(self, request: dict) -> dict:
        model, k = self._with_knobs(self.model, request), self._class(request, "class")
        odds, gradient = views.pixel_gradient(model, self._image(request), k)
        return {"odds": odds, "gradient": gradient}

    def _step(self, request: dict) -> dict:
        image, label = self._image(request), self._class(request, "label")
        count = _whole(request, "steps", 1, MOST_STEPS)
        self.practice = self.practice or Practice(self.given)
        self._altered.clear()
        for _ in range(count):
            self.practice.step(image, label)
        return self._learned()

    def _reset(self, request: dict) -> dict:
        self.practice = None
        self._altered.clear()
        return self._learned()

    def _learned(self) -> dict:
        """What steps of training have changed: before any, nothing."""
        practice = self.practice or Practice(self.given)
        return {
            "steps": practice.steps,
            "losses": practice.losses[-200:],
            "filters": practice.filters(),
            "positions": practice.positions(),
            "tried": self._tried(practice.model),
        }

    def _walk(self, request: dict) -> dict:
        steps = walk(self._with_knobs(self.model, request), self._image(request))
        sources = {step.op: source_of(step.op) for step in steps}
        return {
            "steps": [
                {"op": step.op, "reads": step.reads, "shape": step.array.shape, "array": picture_of(step.array)}
                for step in steps
            ],
            "sources": {op: source._asdict() for op, source in sources.items() if source},
        }

    def _digit(self, request: dict) -> dict:
        digits = load_mnist()
        i = int(self._rng.integers(len(digits.test_images)))
        return {"pixels": digits.test_images[i].ravel().tolist(), "label": int(digits.test_labels[i])}

    # ---- what a request holds ----------------------------------------------------------------------------------------

    def _image(self, request: dict) -> np.ndarray:
        """(1, S, S, 1) uint8."""
        pixels, count = request.get("pixels"), self.side**2
        if not isinstance(pixels, list) or len(pixels) != count:
            raise ValueError(f"pixels are no list of {count} numbers")
        if not all(type(pixel) is int and 0 <= pixel <= 255 for pixel in pixels):
            raise ValueError("pixels are not whole numbers in 0 … 255")
        return np.array(pixels, np.uint8).reshape(1, self.side, self.side, 1)

    def _class(self, request: dict, name: str) -> int:
        return _whole(request, name, 0, self.given.config.classes - 1)

    def _with_knobs(self, model: Classifier, request: dict) -> Classifier:
        knobs = tuple(request.get(name, True) for name in ("root", "positions"))
        if not all(isinstance(knob, bool) for knob in knobs):
            raise ValueError(f"root and positions are {knobs}, expected true or false")
        if all(knobs):
            return model
        key = (model is self.untrained, *knobs)
        if key not in self._altered:
            self._altered[key] = views.altered(model, *knobs)
        return self._altered[key]

    def _tried(self, model: Classifier) -> dict | None:
        """How many of the first test digits are read right; None for a model that has not learned these."""
        if not reads_mnist(model):
            return None
        digits = load_mnist()
        read = model.on_raw(model, digits.test_images[:TRIED]).argmax(axis=1)
        return {"right": int((read == digits.test_labels[:TRIED]).sum()), "of": TRIED}


def _whole(request: dict, name: str, least: int, most: int) -> int:
    value = request.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is {str(value)[:40]}, expected a whole number in {least} … {most}")
    return value


def check_model(model: Any) -> None:
    """Raise TypeError or ValueError for a model whose input cannot be drawn, or that gives no classes."""
    if not isinstance(model, Classifier):
        raise TypeError(f"the page draws for a classifier of digits, and this is a {type(model).__name__}")
    if not model.config.classes:
        raise ValueError("the model has no head (classes is 0), so it answers nothing: the page needs classes")
    if not sees_digits(model.config):
        raise ValueError(
            f"the model sees images of shape {model.config.image_shape}, expected small grey squares, as of digits: "
            "nothing else can be drawn with a pen (`minivit look` draws a page on any picture)"
        )


def reads_mnist(model: Classifier) -> bool:
    """Can it have learned the digits that ship? 28 × 28, ten classes, without names of their own."""
    return model.config.image_shape == (28, 28, 1) and model.config.classes == 10 and not model.class_names
