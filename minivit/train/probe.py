"""A linear probe: how much does a frozen model already know? Its features are computed once; a head learns from them.

The head is a softmax regression, trained by SGD on the cross-entropy, so its probabilities mean something. (The ViT
paper's few-shot numbers come from least squares in closed form instead, whose outputs are none.)
"""

import time
from threading import Lock

import numpy as np

from ..model import ViT
from ..model.vit import head_names
from ..ops import cross_entropy_backward, cross_entropy_forward, linear_backward, linear_forward
from .config import TrainConfig
from .evaluation import check_dataset
from .optimizer import FlatParameters, clip_by_norm
from .progress import Progress
from .schedule import warmup_cosine
from .sgd import SGD

PROBE = TrainConfig(
    epochs=50, batch_size=128, optimizer="sgd", momentum=0.9, learning_rate=0.1, warmup=0.0, weight_decay=0.0,
    shift=0.0, rotation=0.0, scale=0.0,
)  # fmt: skip


def fit_head(
    model: ViT,
    train_images: np.ndarray,
    train_labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    recipe: TrainConfig = PROBE,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[ViT, list[dict[str, float]]]:
    """Train the head of `model`, in place, on raw images and labels. Returns the model and a history like `fit`'s, but
    without images_per_second: an epoch only looks at features.

    Raises ValueError for a model without a head, and for a recipe that needs more than a head.
    """
    _check(model, recipe)
    for images, labels in ((train_images, train_labels), (test_images, test_labels)):
        check_dataset(model, images, labels)
    steps = recipe.epochs * (len(train_images) // min(recipe.batch_size, len(train_images)))
    show, done, one_at_a_time = Progress(steps, quiet=not progress), 0, Lock()

    def features(images: np.ndarray) -> np.ndarray:
        nonlocal done
        found = model.features(images)
        with one_at_a_time:  # of several threads
            done += len(images)
            show.features(done, len(train_images) + len(test_images))
        return found

    x, x_test = (model.on_raw(features, images, workers) for images in (train_images, test_images))
    mean, std = x.mean(axis=0), x.std(axis=0) + 1e-6
    # Features that all have mean 0 and variance 1 are learned from at one pace; the head takes their scale in the end.
    x, x_test = (x - mean) / std, (x_test - mean) / std
    weight, bias = _get_head(model)
    head = FlatParameters({"head.weight": weight * std[:, None], "head.bias": bias + mean @ weight})
    history = _train(head, (x, train_labels), (x_test, test_labels), recipe, seed, show)
    params = head.views(head.buffer)
    weight = params["head.weight"] / std[:, None]
    _set_head(model, weight, params["head.bias"] - mean @ weight)
    return model, history


def _get_head(model: ViT) -> tuple[np.ndarray, np.ndarray]:
    """weight (F, K), bias (K,). A distilled model's features are the mean of two tokens', and so is its head here."""
    names = head_names(model.config)
    weights, biases = ([model.device.to_numpy(model.params[f"{n}.{k}"]) for n in names] for k in ("weight", "bias"))
    return sum(weights) / len(names), sum(biases) / len(names)


def _set_head(model: ViT, weight: np.ndarray, bias: np.ndarray) -> None:
    """Both heads, where there are two: the mean of their logits is then the one head's, of the mean features."""
    for name in head_names(model.config):
        model.params[f"{name}.weight"][...] = model.device.asarray(weight)
        model.params[f"{name}.bias"][...] = model.device.asarray(bias)


def _check(model: ViT, recipe: TrainConfig) -> None:
    if not model.config.classes:
        raise ValueError("the model has no head: give the number of classes")
    if recipe.shift or recipe.rotation or recipe.scale:
        raise ValueError(
            "features are computed once, from images as they are: shift, rotation and scale must be 0; "
            "start from dataclasses.replace(minivit.train.PROBE, ...)"
        )
    if recipe.optimizer != "sgd" or recipe.distillation is not None:
        raise ValueError(
            "a linear probe is trained by the optimizer 'sgd', and without distillation; "
            "start from dataclasses.replace(minivit.train.PROBE, ...)"
        )


def _train(
    head: FlatParameters,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    recipe: TrainConfig,
    seed: int,
    show: Progress,
) -> list[dict[str, float]]:
    """Features (n, D) and labels, to train and to test -> the history, an entry an epoch; `head` is trained."""
    (x, labels), rng, history = train, np.random.default_rng(seed), []
    batch = min(recipe.batch_size, len(x))
    optimizer = SGD(head, recipe.momentum, recipe.weight_decay)
    for epoch in range(1, recipe.epochs + 1):
        started, order, losses = time.perf_counter(), rng.permutation(len(x)), []
        for start in range(0, len(x) // batch * batch, batch):
            part = order[start : start + batch]
            loss, grads = _loss_and_grads(head, x[part], labels[part], recipe.label_smoothing)
            clip_by_norm(grads, recipe.clip_norm)
            rate = warmup_cosine(
                optimizer.steps + 1, show.steps, round(recipe.warmup * show.steps), recipe.learning_rate
            )
            optimizer.step(grads, rate)
            losses.append(loss)
        logits = _logits(head, test[0])[0].astype(np.float64)
        history.append(
            {
                "epoch": epoch,
                "steps": optimizer.steps,
                "learning_rate": rate,
                "train_loss": float(np.mean(losses)),
                "test_loss": float(cross_entropy_forward(logits, test[1])[0]),
                "test_accuracy": float(np.mean(logits.argmax(axis=1) == test[1])),
                "seconds": time.perf_counter() - started,
            }
        )
        show.epoch(history[-1], recipe.epochs)
    return history


def _loss_and_grads(
    head: FlatParameters, x: np.ndarray, labels: np.ndarray, label_smoothing: float
) -> tuple[float, np.ndarray]:
    logits, cache = _logits(head, x)
    loss, loss_cache = cross_entropy_forward(logits, labels, label_smoothing)
    _, dweight, dbias = linear_backward(cross_entropy_backward(1.0, loss_cache), cache)
    return float(loss), head.flatten({"head.weight": dweight, "head.bias": dbias})


def _logits(head: FlatParameters, x: np.ndarray) -> tuple[np.ndarray, tuple]:
    params = head.views(head.buffer)
    return linear_forward(x, params["head.weight"], params["head.bias"])
