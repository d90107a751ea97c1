"""Small masked autoencoders and BERTs, and every gradient of theirs against differences: their faces differ from those
of classifiers, so proof.py cannot ask them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..family.bert import BERTConfig
from ..family.bert_face import BERT
from ..family.mae import MAEConfig, mae
from ..family.mae_face import MAE
from ..gradcheck import Report, compare, numerical_gradient
from ..layers import Chain
from .operations import noise
from .proof import holding, order_one_parameters, report


def _mae(**options: object) -> MAEConfig:
    """Rectangular images in rectangular patches: a grid of (2, 3)."""
    sizes = dict(image_size=(4, 9), patch_size=(2, 3), channels=2, width=8, depth=1, heads=2, mlp_ratio=1.5)
    decoder = dict(decoder_width=4, decoder_depth=1, decoder_heads=1, decoder_mlp_ratio=2.0, mask_ratio=0.5)
    return MAEConfig(**sizes | decoder | options)


def _bert(**options: object) -> BERTConfig:
    """Nine words, sentences of up to six."""
    sizes = dict(words=9, positions=6, width=6, depth=1, heads=2, mlp_ratio=1.5)
    return BERTConfig(**sizes | dict(dropout=0.0, attention_dropout=0.0, head_dropout=0.0) | options)


MAES: dict[str, MAEConfig] = {
    "MAE": _mae(),
    "MAE, normalised pixels": _mae(normalize_pixels=True, mask_ratio=0.75, decoder_depth=2, qkv_bias=False),
    "MAE, tanh": _mae(gelu="tanh", depth=2, norm_eps=0.05),
}
BERTS: dict[str, BERTConfig] = {
    "BERT": _bert(depth=2),
    "BERT, no pooler, tanh": _bert(pooler=False, gelu="tanh", norm_eps=0.05, padding=None),
    "BERT, classifier": _bert(head="classifier", classes=4, segments=3),
    "BERT, masked words": _bert(head="masked words", pooler=False),
    "BERT, pretraining": _bert(head="pretraining"),
    "BERT, dropout": _bert(head="classifier", classes=3, dropout=0.1, attention_dropout=0.3, head_dropout=0.2),
}
# A sentence of four words and two that fill it up, and one of six; word 0 is among neither's words.
IDS = np.array([[3, 1, 7, 3, 2, 8], [1, 1, 5, 4, 6, 3]])
MASK, SEGMENTS = np.array([[1, 1, 1, 1, 0, 0], [1] * 6]), np.array([[0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 1, 1]])


def small_mae(config: MAEConfig, seed: int = 0) -> MAE:
    """With parameters of order one, and with positions that are no waves."""
    rng = np.random.default_rng(seed + 1)
    positions = {p.name: rng.standard_normal(p.shape) for p in mae(config).parameters if p.buffer}
    return MAE(config, params=order_one_parameters(config, seed, MAE) | positions)


def small_bert(config: BERTConfig, seed: int = 0) -> BERT:
    """With parameters of order one."""
    return BERT(config, params=order_one_parameters(config, seed, BERT))


Place = tuple[str, np.ndarray, Callable[[], float], np.ndarray]  # name, gradient, of what, and by what


def check_mae(config: MAEConfig, seed: int = 0) -> Report:
    """The loss's gradient for every parameter, and both of the images'."""
    return _report(mae_places(config, seed))


def check_bert(config: BERTConfig, seed: int = 0) -> Report:
    """Every gradient of what the heads say, by the parameters and by the normed embeddings."""
    return _report(bert_places(config, seed))


def mae_places(config: MAEConfig, seed: int = 0) -> list[Place]:
    """What check_mae looks at."""
    model, rng = small_mae(config, seed), np.random.default_rng(seed)
    images, random = rng.standard_normal((2, *config.image_shape)), rng.random((2, config.patches))
    _, grads = model.loss_and_grads(images, noise=random)
    held, free = model.image_grads(images, noise=random)
    patches, mask = model.target(images), model(images, noise=random)[1]

    def held_loss() -> float:
        errors = ((model(images, noise=random)[0] - patches) ** 2).mean(axis=-1)
        return float((mask * errors).sum() / mask.sum())

    def free_loss() -> float:
        return model.loss(images, noise=random)

    places = [(name, grads[name], free_loss, array) for name, array in model.params.items()]
    return [*places, ("images, target held", held, held_loss, images), ("images", free, free_loss, images)]


def bert_places(config: BERTConfig, seed: int = 0) -> list[Place]:
    """What check_bert looks at."""
    model, rng = small_bert(config, seed), np.random.default_rng(seed)
    segments = np.minimum(SEGMENTS, config.segments - 1)

    def say() -> tuple:
        out, cache = model.forward(IDS, MASK, segments, noise())
        return tuple(part for part in (out if isinstance(out, tuple) else (out,)) if part is not None), out, cache

    parts, out, cache = say()
    douts = tuple(rng.standard_normal(part.shape) for part in parts)
    given = douts + (None,) * (len(out) - len(parts)) if isinstance(out, tuple) else douts[0]
    grads, dembeddings = model.backward(given, cache)

    def loss() -> float:
        return float(sum(np.sum(part * dpart) for part, dpart in zip(say()[0], douts, strict=True)))

    first, *rest = model.layers.parts
    named = model.arrays(model.layers) | model.given(IDS, MASK, segments)[1]
    embeddings = first(model.device.ops, named, IDS)

    def loss_of_embeddings() -> float:
        out, _ = Chain(*rest).forward(model.device.ops, named, embeddings, noise())
        parts = out if isinstance(out, tuple) else (out,)
        return float(sum(np.sum(part * dpart) for part, dpart in zip(parts, douts, strict=True)))

    places = [(name, grads[name], loss, array) for name, array in model.params.items()]
    return [*places, ("embeddings", dembeddings, loss_of_embeddings, embeddings)]


def check_masked_models(seed: int = 0, text: Sequence[str] = ()) -> Iterator[tuple[str, Report]]:
    """All of MAES and BERTS, one by one."""
    for name, config in holding(MAES, text).items():
        yield name, check_mae(config, seed)
    for name, config in holding(BERTS, text).items():
        yield name, check_bert(config, seed)


def _report(places: list[Place]) -> Report:
    return report(((name, grad, numerical_gradient(loss, place, 1e-3)) for name, grad, loss, place in places), compare)
