"""Every gradient of this project against finite differences: each operation by itself, the layers
that are made of them, then whole small models.

    python -m minivit check              prints what follows here
    python -m minivit check softmax      what has this in its name

In float64, every element looked at, with a random upstream gradient (see gradcheck.py). The axes of an argument differ
in length wherever the operation lets them, so that no transpose can hide. Beside this file lie the lists.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from ..gradcheck import Check, Report, both_gradients, compare, compare_scaled, compare_zero, numerical_gradient
from ..layers import Layer
from ..model import Classifier, ViT
from ..model.parameters import declared
from .family import FAMILY, ZEROS
from .joints import JOINTS, as_pair, trained
from .models import CONFIGS
from .operations import OPS, noise

T = TypeVar("T")

KINK_STEP = 1e-7
BATCH_STEP = 5e-5  # BatchNorm of few images bends sharply
KINKED = "relu", "max_pool"


def holding(entries: Mapping[str, T], text: Sequence[str]) -> dict[str, T]:
    """The entries whose name has one of the texts in it, in letters of any case; all where there is no text."""
    return {name: entry for name, entry in entries.items() if not text or any(t.lower() in name.lower() for t in text)}


def check_op(name: str, seed: int = 0) -> Report:
    """Every gradient of one entry of OPS, at random arguments of order one."""
    return _check_pair(*OPS[name], seed)


def check_ops(seed: int = 0, text: Sequence[str] = ()) -> Iterator[tuple[str, Report]]:
    """All of OPS, one by one; with texts, what has one in its name (so the others below)."""
    for name in holding(OPS, text):
        yield name, check_op(name, seed)


def check_joint(name: str, seed: int = 0) -> Report:
    """Every gradient of one entry of JOINTS, x's and the parameters', in the same way."""
    layer, shape = JOINTS[name]
    return _check_pair(*as_pair(layer), {"x": shape} | trained(layer), seed)


def check_joints(seed: int = 0, text: Sequence[str] = ()) -> Iterator[tuple[str, Report]]:
    """All of JOINTS, one by one."""
    for name in holding(JOINTS, text):
        yield name, check_joint(name, seed)


def order_one_parameters(config: Any, seed: int = 0, kind: type[Classifier] = ViT) -> dict[str, np.ndarray]:
    """Parameters at which every gradient is of order one, so that an error cannot pass for rounding.

    At the usual initialisation most gradients are tiny, and those of the queries and keys all but zero. Biases are
    N(0, ½²): larger ones push MLP units into the flat tail of the GELU.
    """
    rng = np.random.default_rng(seed)
    params = {}
    for name, parameter in declared(kind.describe(config)).items():
        shape = parameter.shape
        x = rng.standard_normal(shape)
        if parameter.buffer:
            x = np.exp(0.2 * x)  # a running variance is positive
        elif name.endswith("bias"):
            x *= 0.5
        elif name.endswith("gamma") or (name.endswith("weight") and x.ndim == 1):
            x = 1 + 0.2 * x  # LayerScale and LayerNorm multiply
        elif name.endswith("weight"):
            x *= math.prod(shape[:-1]) ** -0.5
        params[name] = x
    return params


def check_model(config: Any, seed: int = 0, kind: type[Classifier] = ViT) -> Report:
    """Every parameter's gradient and the images' of a whole model, at parameters of order one, element by element.

    One seed in twenty has, among thousands of elements, one so small (1e-6) that the differences' rounding fails it.
    """
    model = kind(config, params=order_one_parameters(config, seed, kind))
    return _check(model, seed, compare, step=1e-3)


def check_model_at_init(config: Any, seed: int = 0, kind: type[Classifier] = ViT) -> Report:
    """The same where training starts, each error relative to the largest gradient of its tensor.

    The step is smaller, for the class token and the positions are small there, and a LayerNorm of them bends sharply.
    """
    return _check(kind(config, seed, np.float64), seed, compare_scaled, step=1e-5)


def check_models(seed: int = 0, text: Sequence[str] = ()) -> Iterator[tuple[str, Report]]:
    """All of CONFIGS and FAMILY at parameters of order one, one by one."""
    for name, config in holding(CONFIGS, text).items():
        yield name, check_model(config, seed)
    for name, (kind, config) in holding(FAMILY, text).items():
        yield name, check_model(config, seed, kind)


def _check_pair(forward: Callable, backward: Callable, shapes: dict[str, tuple[int, ...]], seed: int) -> Report:
    rng = np.random.default_rng(seed)
    arguments = {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}
    return report(both_gradients(forward, backward, arguments, seed), compare)


def _check(model: Classifier, seed: int, comparison: Callable[..., Check], step: float) -> Report:
    """All of a model's gradients. A ReLU has a kink, which a step of what stands before it must not cross: there the
    steps are tiny, which leaves enough digits only for errors relative to a tensor's largest gradient."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((3, *model.config.image_shape))
    dlogits = rng.standard_normal(model(images).shape)
    grads, dimages = model.backward(dlogits, model.forward(images, noise())[1])

    def loss() -> float:
        return float(np.sum(model.forward(images, noise())[0] * dlogits))

    places, analytic = model.params | {"images": images}, grads | {"images": dimages}
    kinked, zeros = _before_kinks(model.layers), ZEROS.get(type(model).__name__, ())
    if any(getattr(layer, "op", "") == "batchnorm" for layer in _leaves(model.layers)):
        step = min(step, BATCH_STEP)
    before = tuple(name for name in places if name in kinked or (kinked and name == "images"))
    rest = tuple(name for name in places if name not in before)
    checks: tuple[Check, ...] = ()
    for names, h, by in ((before, KINK_STEP, compare_scaled), (rest, step, comparison)):
        gradients = ((name, analytic[name], numerical_gradient(loss, places[name], h)) for name in names)
        checks += report(gradients, by, zeros).checks
    return Report(checks)


def _before_kinks(layers: Layer) -> set[str]:
    """The names of all that is read before the last ReLU or max pooling, in the order of the forward."""
    names, before = set(), set()
    for layer in _leaves(layers):
        names |= {parameter.name for parameter in layer.parameters}
        if getattr(layer, "op", "") in KINKED:
            before = set(names)
    return before


def _leaves(layer: Layer) -> Iterator[Layer]:
    """The layers that join no others, in the order of the forward."""
    for part in layer.parts:
        yield from _leaves(part)
    if not layer.parts:
        yield layer


def report(
    gradients: Iterable[tuple[str, np.ndarray, np.ndarray]],
    comparison: Callable[..., Check],
    zeros: tuple[str, ...] = (),
) -> Report:
    """Analytic against numeric, the keys' bias by itself: it adds q·b to a whole row of scores, and softmax does not
    see what is added to a whole row. Its gradient is exactly zero, as are those named in `zeros`."""
    checks = []
    for name, analytic, numeric in gradients:
        parts = "qkv" if name.endswith(("qkv.bias", "qkv_bias")) else "kv" if name.endswith("kv.bias") else ""
        if parts:
            analytic, numeric = (gradient.reshape(len(parts), -1) for gradient in (analytic, numeric))
            others, k = [i for i, part in enumerate(parts) if part != "k"], parts.index("k")
            checks.append(
                comparison(f"{name} ({', '.join(parts[i] for i in others)})", analytic[others], numeric[others])
            )
            checks.append(compare_zero(f"{name} (k: zero)", analytic[k], numeric[k]))
        elif name in zeros:
            checks.append(compare_zero(f"{name} (zero)", analytic, numeric))
        else:
            checks.append(comparison(name, analytic, numeric))
    return Report(tuple(checks))
