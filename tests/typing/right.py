"""A script as a user writes it, with most of what the README shows: it runs, and a type checker finds nothing in it.

`assert_type` does nothing when it runs; a checker complains where it infers another type.
"""

import dataclasses
import sys
from pathlib import Path
from typing import Any, assert_type

import numpy as np

import minivit
from minivit import ViT, check, emulator
from minivit.gradcheck import Report, gradcheck
from minivit.ops import softmax_backward, softmax_forward

folder = Path(sys.argv[1])
published = sys.argv[2]

# A model, asked for all that it can say.
digits = minivit.load_mnist()
assert_type(digits.train_images, np.ndarray)
config = minivit.ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=32, depth=2, heads=2)
assert_type(config.heads, int)
assert_type(minivit.count_parameters(config), int)
assert_type(minivit.ViTConfig.from_name("ViT-B/16", image_size=384), minivit.ViTConfig)
model = minivit.ViT(config, seed=0, init="fan_in")
images = model.normalize(digits.test_images[:8])
assert_type(model(images), np.ndarray)
assert_type(model.params, dict[str, np.ndarray])
loss, grads = model.loss_and_grads(images, digits.test_labels[:8])
assert_type(loss, float)
assert_type(grads["head.weight"], np.ndarray)
logits, cache = model.forward(images, np.random.default_rng(0))
grads, dimages = model.backward(logits, cache)
assert_type(grads["head.weight"], np.ndarray)
assert_type(dimages, np.ndarray | Any)  # as a union with None, it would have to be looked at before each use
assert dimages.shape == images.shape
assert model.backward(logits, model.forward(images)[1], with_dx=False)[1] is None
assert_type(model.attention(images), np.ndarray)
assert_type(model.features(images), np.ndarray)
assert_type(model.predict(digits.test_images[:5]), np.ndarray)
assert_type(model.config, minivit.ViTConfig)
assert_type(minivit.ViT(config, dtype=np.float64).config.depth, int)

# Training.
recipe = minivit.TrainConfig(epochs=1, learning_rate=1e-3)
trainer = minivit.Trainer(model, digits.train_images[:256], digits.train_labels[:256], recipe)
history = minivit.fit(trainer, digits.test_images, digits.test_labels, checkpoint=folder / "run.npz", progress=False)
assert_type(history[-1]["test_accuracy"], float)
again = minivit.resume(folder / "run.npz", digits.train_images[:256], digits.train_labels[:256])
minivit.save_checkpoint(again, str(folder / "run.npz"))
assert_type(again.step_count, int)
assert isinstance(again.model, ViT)
result = minivit.train_mnist("quick", epochs=1, teacher=model, progress=False)
assert_type(result.accuracy, float)
student: ViT = result.model  # what it is, the architecture decides
assert_type(student.predict(digits.test_images[:5]), np.ndarray)
assert_type(result.history, list[dict[str, float]])
test_loss, accuracy, probabilities = minivit.evaluate(result.model, digits.test_images, digits.test_labels)
assert_type(accuracy, float)
assert_type(probabilities, np.ndarray)
tuned, history = minivit.finetune(
    model, digits.train_images[:64], digits.train_labels[:64], digits.test_images, digits.test_labels,
    freeze="backbone", recipe=dataclasses.replace(minivit.train.PROBE, epochs=1, batch_size=32), progress=False,
)  # fmt: skip
assert_type(tuned, ViT)

# Files.
model.save(folder / "model.npz")
assert_type(minivit.ViT.load(folder / "model.npz"), ViT)
theirs: ViT = minivit.load_pretrained(published, heads=2, classes=10)  # what it is, the file decides
minivit.export_timm(theirs, folder / "exported.safetensors")
minivit.export(theirs, folder / "exported.safetensors", source="timm")
pixels = minivit.data.preprocess(np.zeros((40, 50, 3), np.uint8), theirs.config)
assert_type(pixels, np.ndarray)
names = minivit.data.class_names(1000)
swin = minivit.family.Swin(minivit.family.SwinConfig(image_size=16, depths=(1,), heads=(3,)))
swin.save(folder / "swin.npz")
assert_type(minivit.family.Swin.load(folder / "swin.npz"), minivit.family.Swin)
assert_type(swin.config, minivit.SwinConfig)
assert_type(minivit.Swin.from_name("Swin-T", depths=(1,), heads=(3,)), minivit.Swin)
reloaded: minivit.Swin = minivit.load(folder / "swin.npz")
assert_type(minivit.count_parameters(reloaded.config), int)

# Looking inside, a gradient of one's own, an exercise.
assert_type(minivit.inspect.attention_rollout(theirs, pixels[None]), np.ndarray)
minivit.inspect.plot_history(history).savefig(folder / "history.png")
minivit.draw.matrix(np.eye(3), alt="ones").save(folder / "matrix.png")


def forward(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    return x @ w, (x, w)


def backward(dy: np.ndarray, cache: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    x, w = cache
    return dy @ w.T, x.T @ dy


arguments = {"x": np.ones((3, 4)), "w": np.random.default_rng(0).standard_normal((4, 5))}
report = gradcheck(forward, backward, arguments)
assert_type(report, Report)
assert_type(report.ok, bool)
gradcheck(softmax_forward, softmax_backward, {"x": np.zeros((2, 3))})
check.close(softmax_forward(np.zeros((2, 2)))[0], np.full((2, 2), 0.5), "halves")
check.grad(forward, backward, arguments)
assert_type(minivit.devices.get_device("cpu").to_numpy(images), np.ndarray)


def add_one(n: int) -> bool:
    """Not called here: it needs a C++ compiler."""
    x, y = np.arange(n, dtype=np.float32), np.zeros(n, dtype=np.float32)
    add = emulator.Module("__global__ void add(float* y, const float* x, int n) {}")["add"]
    add(4, (256, 1), y, x, n)
    print(add.profile(3, 256, y, x, n, seconds=9).total.sectors)
    return bool(minivit.emulator.load("add.cu")["add"].check(4, 256, y, x, n, outputs=["y"]))
