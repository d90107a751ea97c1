"""A student with a distillation token learns from a teacher: what it sees, what it is told, and that it learns."""

import dataclasses
import threading

import numpy as np
import pytest

from minivit import TrainConfig, Trainer, ViT, ViTConfig, fit, load_mnist, train_mnist
from minivit.__main__ import main
from minivit.devices.workers import worker_pool
from minivit.gradcheck import compare, numerical_gradient
from minivit.proof import order_one_parameters
from minivit.train import resume, save_checkpoint
from minivit.train.distillation import check_teacher, distillation_loss_and_grads

SIZES = dict(image_size=28, patch_size=14, channels=1, classes=10, width=16, depth=2, heads=2, mlp_ratio=2)
STUDENT = ViTConfig(**SIZES, distilled=True, image_mean=0.13, image_std=0.31)
RECIPE = TrainConfig(epochs=2, batch_size=40, shard_size=16, distillation="hard")
TINY = ViTConfig(image_size=4, patch_size=2, channels=1, classes=3, width=6, depth=1, heads=2, distilled=True)


def darkness(pixels):
    """A teacher that knows nothing: it counts ink. Its answers depend on every pixel."""
    return pixels.sum(axis=(1, 2)) * np.linspace(-1, 1, 10, dtype=pixels.dtype)


def make(digits, recipe=RECIPE, teacher=darkness, config=STUDENT, count=200):
    model = ViT(config, seed=3, init="fan_in")
    return Trainer(model, digits.train_images[:count], digits.train_labels[:count], recipe, 3, "digits", teacher)


def run(trainer, digits, **options):
    return fit(trainer, digits.test_images[:100], digits.test_labels[:100], progress=False, **options)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_the_students_gradients_are_the_losses_derivatives(kind):
    rng, config = np.random.default_rng(0), TrainConfig(
        distillation=kind, distillation_weight=0.3, temperature=2.0, label_smoothing=0.1
    )  # fmt: skip
    model = ViT(TINY, params=order_one_parameters(TINY))
    pixels, labels, answers = rng.random((3, 4, 4, 1)), np.array([2, 0, 1]), 2 * rng.standard_normal((3, 3))

    def loss_and_grads():
        return distillation_loss_and_grads(model, lambda _: answers, pixels, labels, config)

    _, grads = loss_and_grads()
    for name in (
        "head.weight",
        "head_dist.bias",
        "dist_token",
        "cls_token",
        "blocks.0.attn.proj.weight",
        "norm.weight",
    ):
        numeric = numerical_gradient(lambda: loss_and_grads()[0], model.params[name])
        check = compare(name, grads[name], numeric)
        assert check.ok, check


def test_the_loss_is_the_formula_of_both_heads():
    rng = np.random.default_rng(0)
    model = ViT(TINY, params=order_one_parameters(TINY))
    pixels, labels, answers = rng.random((3, 4, 4, 1)), np.array([2, 0, 1]), rng.standard_normal((3, 3))
    cls, dist = (z - np.log(np.exp(z).sum(axis=1, keepdims=True)) for z in model.both_logits(model.normalize(pixels)))
    taught, told = -dist[range(3), answers.argmax(axis=1)].mean(), -cls[range(3), labels].mean()
    for weight in (0.0, 0.25, 1.0):
        config = TrainConfig(distillation="hard", distillation_weight=weight)
        loss, _ = distillation_loss_and_grads(model, lambda _: answers, pixels, labels, config)
        assert loss == pytest.approx((1 - weight) * told + weight * taught, rel=1e-12)


def test_the_teacher_sees_the_augmented_images_and_the_student_sees_them_normalised(digits, monkeypatch):
    lock, teachers, students = threading.Lock(), [], []

    def teacher(pixels):
        with lock:
            teachers.append(pixels.copy())
        return darkness(pixels)

    trainer = make(digits, teacher=teacher)
    teachers.clear()  # the trainer asked it about two images, to see whether it answers
    forward = trainer.model.forward_both
    monkeypatch.setattr(trainer.model, "forward_both", lambda x, rng: students.append(x.copy()) or forward(x, rng))
    batch = trainer.batches(1)[0][..., 0] / 255
    with worker_pool(1) as pool:
        trainer.step(pool)
    assert [len(pixels) for pixels in teachers] == [16, 16, 8]
    for pixels, normalised in zip(teachers, students, strict=True):
        np.testing.assert_allclose(normalised, (pixels - np.float32(0.13)) / np.float32(0.31), rtol=1e-5)
    seen = np.concatenate(teachers)[..., 0]
    assert seen.shape == batch.shape and seen.dtype == np.float32 and seen.min() >= 0 and seen.max() <= 1
    assert all(np.abs(a - b).max() > 0.1 for a, b in zip(seen, batch, strict=True))  # each was moved


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_a_student_of_a_vit_learns(digits, kind):
    plain = dataclasses.replace(STUDENT, distilled=False)
    teacher = ViT(plain, seed=1, init="fan_in")
    recipe = TrainConfig(epochs=4, batch_size=50, shard_size=50)
    fit(
        Trainer(teacher, digits.train_images[:1000], digits.train_labels[:1000], recipe),
        digits.test_images[:100], digits.test_labels[:100], progress=False,
    )  # fmt: skip
    trainer = make(digits, dataclasses.replace(recipe, distillation=kind), teacher, count=1000)
    history = run(trainer, digits)
    losses = [record["train_loss"] for record in history]
    assert losses[3] < losses[2] < losses[1] < losses[0] and history[-1]["test_accuracy"] > 0.3


def test_a_vit_is_given_the_images_normalised(digits):
    teacher = ViT(dataclasses.replace(STUDENT, distilled=False), init="fan_in")
    checked = check_teacher(teacher, ViT(STUDENT), digits.train_images[:3], RECIPE)
    pixels = digits.train_images[:3].astype(np.float32) / 255
    np.testing.assert_allclose(checked(pixels), teacher(teacher.normalize(pixels)))


def test_the_distillation_head_follows_the_teacher_and_the_other_the_labels(digits):
    """With a teacher that always says 7 the one head says 7, and the other still learns to read."""
    trainer = make(
        digits,
        TrainConfig(epochs=6, batch_size=50, distillation="hard", shift=0, rotation=0, scale=0),
        lambda pixels: np.eye(10)[np.full(len(pixels), 7)],
        count=1000,
    )
    run(trainer, digits)
    cls, dist = trainer.model.both_logits(trainer.model.normalize(digits.test_images))
    assert np.mean(dist.argmax(axis=1) == 7) == 1
    assert np.mean(cls.argmax(axis=1) == digits.test_labels) > 0.5


def test_one_worker_or_two_and_stopped_or_not_the_bits_are_the_same(digits, tmp_path):
    whole, part = make(digits), make(digits)
    run(whole, digits, workers=1)
    with worker_pool(2) as pool:
        for _ in range(3):
            part.step(pool)
    save_checkpoint(part, tmp_path / "c.npz")
    resumed = resume(tmp_path / "c.npz", part.images, part.labels, teacher=darkness)
    run(resumed, digits, workers=2)
    assert resumed.params.buffer.tobytes() == whole.params.buffer.tobytes()
    with pytest.raises(ValueError, match=r"c\.npz learned from a teacher, which no file holds: give it again"):
        resume(tmp_path / "c.npz", part.images, part.labels)
    with pytest.raises(ValueError, match=r"^the teacher's logits have shape \(2, 1\), expected \(2, 10\)"):
        resume(tmp_path / "c.npz", part.images, part.labels, teacher=lambda pixels: pixels.sum(axis=(1, 2)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": None}, "no teacher was given, and the recipe's distillation is 'hard'"),
        ({"recipe": TrainConfig(batch_size=40)}, "a teacher was given, and the recipe's distillation is None"),
        ({"config": dataclasses.replace(STUDENT, distilled=False)}, "needs distilled=True"),
        ({"teacher": lambda pixels: pixels.sum(axis=(1, 2))}, r"logits have shape \(2, 1\), expected \(2, 10\)"),
        ({"teacher": lambda pixels: darkness(pixels) * np.nan}, "not all finite numbers"),
        ({"teacher": lambda pixels: darkness(pixels).astype(complex)}, r"\(complex128\) are not all finite numbers"),
    ],
)
def test_what_does_not_go_together_is_refused_before_any_work(digits, options, message):
    with pytest.raises(ValueError, match=message):
        make(digits, **options)


@pytest.mark.parametrize(
    ("options", "name"),
    [({"distillation": "medium"}, "distillation"), ({"temperature": 0}, "temperature"), ({"momentum": 1}, "momentum")]
    + [({"distillation_weight": 1.5}, "distillation_weight"), ({"optimizer": "adam"}, "optimizer")],
)
def test_a_recipe_that_makes_no_sense_is_refused(options, name):
    with pytest.raises(ValueError, match=f"{name} is .*, expected"):
        TrainConfig(**options)


def test_train_mnist_with_a_teacher_trains_a_distilled_model():
    calls = []

    def teacher(pixels):
        calls.append(len(pixels))
        return darkness(pixels)

    result = train_mnist("quick", teacher=teacher, distillation="soft", epochs=1, progress=False)
    assert result.model.config.distilled and sum(calls) >= 8_000 // 128 * 128
    images, labels = load_mnist().test_images, load_mnist().test_labels
    cls, _ = result.model.both_logits(result.model.normalize(images))
    assert np.mean(cls.argmax(axis=1) == labels) > 0.2  # the teacher counts ink: the other head learns from the labels


def test_train_mnist_resumes_with_the_teacher_given_anew(digits, tmp_path):
    trainer = make(digits, dataclasses.replace(RECIPE, epochs=1, batch_size=4000), count=8000)
    save_checkpoint(trainer, tmp_path / "c.npz")
    result = train_mnist(resume=tmp_path / "c.npz", teacher=darkness, progress=False)
    assert len(result.history) == 1
    with pytest.raises(ValueError, match="leave out distillation"):
        train_mnist(resume=tmp_path / "c.npz", teacher=darkness, distillation="soft", progress=False)


def test_whole_numbers_are_logits_too(digits):
    def votes(pixels):
        return np.round(darkness(pixels)).astype(int)

    whole, real = (make(digits, teacher=teacher) for teacher in (votes, lambda pixels: votes(pixels).astype(float)))
    with worker_pool(1) as pool:
        assert whole.step(pool) == real.step(pool)


def test_train_mnist_refuses_distillation_without_a_teacher():
    with pytest.raises(ValueError, match="distillation is 'soft', which needs a teacher"):
        train_mnist("quick", distillation="soft", progress=False)


@pytest.mark.usefixtures("unpainted")
def test_the_command_line_takes_a_model_as_the_teacher(tmp_path, capsys):
    ViT(dataclasses.replace(STUDENT, distilled=False), init="fan_in").save(tmp_path / "teacher.npz")
    train = ["train", "quick", "--epochs", "1", "--teacher", str(tmp_path / "teacher.npz"), "--distillation", "soft"]
    assert main([*train, "--out", str(tmp_path / "out")]) == 0
    student = ViT.load(tmp_path / "out" / "model.npz")
    assert student.config.distilled and (tmp_path / "out" / "attention.png").exists()
    assert main(["train", "--resume", str(tmp_path / "out" / "checkpoint.npz")]) == 2
    assert "which no file holds: give it again (teacher, or --teacher)" in capsys.readouterr().err


def test_a_teacher_may_do_what_it_likes_with_the_images_it_gets(digits):
    def rude(pixels):
        answers = darkness(pixels)
        pixels *= 0.5
        return answers

    images = np.float32(digits.train_images[:80]) / 255
    before, losses = images.copy(), []
    for teacher in (darkness, rude):
        recipe = dataclasses.replace(RECIPE, shift=0, rotation=0, scale=0)
        trainer = Trainer(ViT(STUDENT, seed=3), images, digits.train_labels[:80], recipe, 3, "digits", teacher)
        with worker_pool(1) as pool:
            losses.append(trainer.step(pool))
    assert losses[0] == losses[1]
    np.testing.assert_array_equal(images, before)


def test_what_cannot_be_called_is_no_teacher(digits):
    with pytest.raises(TypeError, match="the teacher is a str, expected a callable"):
        make(digits, teacher="ViT-B/16")
