"""The step model: the whole ViT on the GPU against NumPy, and what a training run relies on."""

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from minivit import TrainConfig, Trainer, ViT, ViTConfig, evaluate, load_mnist
from minivit.devices import get_device
from minivit.devices.workers import worker_pool
from minivit.train.augment import move_images
from minivit.train.mnist import PRESETS

from .findings import attempt, expect, worst

F32, F64 = np.float32, np.float64
TINY = ViTConfig(image_size=28, patch_size=7, channels=1, classes=10, width=48, depth=1, heads=4, mlp_ratio=2)


@dataclasses.dataclass
class Model:
    """What the attempts share. dry: on the emulator, where everything takes longer; short: as little as tells."""

    config: ViTConfig
    recipe: TrainConfig
    dry: bool
    short: bool

    def __post_init__(self) -> None:
        self.digits = load_mnist()
        self.still = dataclasses.replace(self.recipe, shift=0, rotation=0, scale=0, elastic=0)
        count = 8 if self.short else 64
        self.images, self.labels = self.digits.train_images[:count], self.digits.train_labels[:count]

    def same_numbers(self, dtype: type, bound: float) -> str:
        cpu = ViT(self.config, dtype=F64, init="fan_in")
        gpu = ViT(self.config, params={k: v.astype(dtype) for k, v in cpu.params.items()}, device="cuda")
        x, back = cpu.normalize(self.images), gpu.device.to_numpy
        logits = worst(back(gpu(x.astype(dtype))), cpu(x))
        expect(logits, bound, "logits")
        loss, grads = gpu.loss_and_grads(x.astype(dtype), self.labels, label_smoothing=0.1)
        expected, reference = cpu.loss_and_grads(x, self.labels, label_smoothing=0.1)
        expect(abs(loss - expected) / expected, bound, "loss")
        errors = {
            name: float(np.abs(back(grads[name]) - right).max() / max(np.abs(right).max(), 1e-3))
            for name, right in reference.items()
        }
        name = max(errors, key=errors.__getitem__)
        expect(errors[name], 20 * bound, f"gradient of {name}")
        return f"logits off by {logits:.1e}, the worst gradient ({name}) by {errors[name]:.1e}"

    def curve(self, device: str, steps: int, config: ViTConfig, recipe: TrainConfig) -> tuple[list[float], Trainer]:
        images, labels = self.digits.train_images, self.digits.train_labels
        trainer = Trainer(ViT(config, init="fan_in", device=device), images, labels, recipe)
        with worker_pool(1 if device == "cuda" else None) as pool:
            return [trainer.step(pool) for _ in range(steps)], trainer

    def follows(self, steps: int) -> str:
        (cpu, _), (gpu, _) = (self.curve(device, steps, self.config, self.still) for device in ("cpu", "cuda"))
        expect(worst(gpu[:5], cpu[:5]), 1e-5, "losses 1 to 5")
        expect(worst(gpu, cpu), 2e-3, "all losses")  # rounding grows with every step
        return f"loss {gpu[0]:.4f} -> {gpu[-1]:.4f}, NumPy's {cpu[-1]:.4f}"

    def same_bits(self, steps: int) -> str:
        noisy = dataclasses.replace(self.config, dropout=0.1, drop_path=0.1)
        (one, first), (two, second) = (self.curve("cuda", steps, noisy, self.recipe) for _ in range(2))
        if one != two:
            raise AssertionError(f"losses differ: {one[-1]!r}, {two[-1]!r}")
        a, b = (trainer.model.device.to_numpy(trainer.params.buffer) for trainer in (first, second))
        if not np.array_equal(a.view(np.uint8), b.view(np.uint8)):
            raise AssertionError("parameters differ")
        return f"{steps} steps, {a.size:,} parameters"

    def random_numbers(self) -> str:
        device = get_device("cuda")
        one, other = (device.generator(np.random.SeedSequence((1, step))) for step in (2, 3))
        r, s = (device.to_numpy(rng.random((1000, 1000), dtype=F32)) for rng in (one, other))
        normal = device.to_numpy(one.standard_normal((100_000,)))
        if not (r.dtype == F32 and r.min() >= 0 and r.max() < 1):
            raise AssertionError(f"{r.dtype} in {r.min()} … {r.max()}")
        expect(abs(r.mean() - 0.5), 2e-3, "their mean")
        expect(abs(normal.mean()), 0.03, "the mean of normal numbers")
        expect(abs(normal.std() - 1), 0.02, "their standard deviation, less 1,")
        expect(abs(np.corrcoef(r.ravel(), s.ravel())[0, 1]), 5e-3, "the correlation of two steps' numbers")
        return f"mean {r.mean():.4f}"

    def augmentation(self) -> str:
        rng, device, images = np.random.default_rng(0), get_device("cuda"), self.images.astype(F32) / 255
        draws, noise = rng.random((4, len(images))), rng.standard_normal((2, len(images), 10, 10), dtype=F32)
        moved = device.move_images(*map(device.asarray, (images, draws, noise)), 2.0, 10.0, 0.1, 1.0)
        error = np.abs(device.to_numpy(moved) - move_images(images, draws, noise, 2.0, 10.0, 0.1, 1.0)).max()
        expect(error, 1e-4, "a moved pixel")
        return f"pixels off by {error:.1e}"

    def small_labels(self) -> None:
        recipe = dataclasses.replace(self.still, batch_size=len(self.images))
        trainer = Trainer(ViT(self.config, device="cuda"), self.images, self.labels.astype(np.uint8), recipe)
        with worker_pool(1) as pool:
            trainer.step(pool)

    def files(self, folder: Path) -> str:
        gpu = ViT(self.config, seed=3, device="cuda")
        gpu.save(folder / "model.npz")
        few = slice(0, 8 if self.dry else 500)
        images, labels = self.digits.test_images[few], self.digits.test_labels[few]
        there, here, again = (
            model.predict(images)
            for model in (gpu, ViT.load(folder / "model.npz"), ViT.load(folder / "model.npz", device="cuda"))
        )
        if not np.array_equal(there, again):
            raise AssertionError("the model that was loaded predicts something else")
        expect(worst(there, here), 1e-5, "probabilities")
        evaluate(gpu, images, labels)
        return f"probabilities off by {worst(there, here):.1e}"

    def command(self, folder: Path) -> str:
        command = [sys.executable, "-m", "minivit", "train", "quick", "--epochs", "1", "--device", "cuda"]
        done = subprocess.run([*command, "--out", str(folder / "quick")], capture_output=True, text=True, timeout=100)
        if done.returncode:
            raise AssertionError(done.stderr[-300:])
        history = json.loads((folder / "quick" / "history.json").read_text("utf-8"))[-1]
        if not history["test_accuracy"] > 0.5:
            raise AssertionError(f"accuracy {history['test_accuracy']:.0%}, expected more than half")
        return f"accuracy {history['test_accuracy']:.2%}, the epoch took {history['seconds']:.2f} s"


def model(dry: bool, short: bool) -> None:
    config, recipe = PRESETS["default"]
    if short:
        config, recipe = TINY, dataclasses.replace(recipe, batch_size=16)
    it = Model(config, recipe, dry, short)
    steps = 2 if short else 3 if dry else 20
    attempt("logits, loss and gradients, float32", lambda: it.same_numbers(F32, 2e-5))
    if not short:
        attempt("logits, loss and gradients, float64", lambda: it.same_numbers(F64, 1e-11))
    attempt(f"{steps} training steps follow NumPy's", lambda: it.follows(steps))
    attempt("two runs with dropout and augmentation have the same bits", lambda: it.same_bits(max(2, steps // 2)))
    attempt("random numbers", it.random_numbers)
    attempt("the augmentation's images", it.augmentation)
    attempt("a step with labels of uint8", it.small_labels)
    with tempfile.TemporaryDirectory() as folder:
        attempt("save, load, predict, evaluate", lambda: it.files(Path(folder)))
        if not dry:
            attempt("python -m minivit train quick --epochs 1 --device cuda", lambda: it.command(Path(folder)))
