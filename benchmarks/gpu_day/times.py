"""The steps times and vitb: benchmarks/gpu.py's table, and a training step of ViT-B/16 beside PyTorch's."""

import dataclasses
import statistics
import time
from collections.abc import Callable

import numpy as np

from minivit import TrainConfig, Trainer, ViT, ViTConfig
from minivit.devices.workers import worker_pool

from .findings import attempt


def times(dry: bool) -> None:
    """dry: small sizes, few rounds, and a made-up clock."""
    import gpu  # of benchmarks/

    if dry:
        gpu.GELU, gpu.LAYERNORM, gpu.ATTENTION, gpu.CROSS = [1000], [(34, 48)], [(2, 2, 17, 12)], [(2, 2, 3, 9, 12)]
        gpu.DEFORMABLE, gpu.ROI_ALIGN = [(1, 2, 4, 2, ((3, 5), (2, 2)))], [(2, 3, 4, 3, (20, 30))]
        gpu.EPOCH_IMAGES, gpu.STEPS, gpu.gpu_table.torch = 256, 2, None
        gpu.gpu_clock.ROUNDS, gpu.gpu_clock.CALLS, gpu.gpu_clock.PRODUCT = 2, 2, 16
    gpu.main()


def vitb(dry: bool) -> None:
    """A step of ViT-B/16: 64 images, float32, forward, backward, clipping and AdamW, no augmentation."""
    config = ViTConfig.from_name("ViT-B/16", classes=1000)
    if dry:
        config = dataclasses.replace(config, image_size=32, width=24, depth=1, heads=2, classes=10)
    batch = 4 if dry else 64
    recipe = TrainConfig(batch_size=batch, epochs=100, shift=0, rotation=0, scale=0)
    rng = np.random.default_rng(0)
    images, labels = rng.random((batch, *config.image_shape), dtype=np.float32), rng.integers(0, config.classes, batch)
    vit = ViT(config, device="cuda")
    took: dict[str, float] = {}

    def ours() -> str:
        trainer = Trainer(vit, images, labels, recipe)
        with worker_pool(1) as pool:
            loss = trainer.step(pool)
            if not np.isfinite(loss):
                raise AssertionError(f"the loss is {loss}")
            took["ours"] = wall_seconds(lambda: trainer.step(pool), 2 if dry else 10)
        return f"{took['ours'] * 1e3:.1f} ms a step, {batch / took['ours']:.0f} images a second, first loss {loss:.3f}"

    def theirs() -> str:
        import torch
        from torch_vit import torch_step

        torch.backends.cuda.matmul.allow_tf32 = False
        took["theirs"] = wall_seconds(torch_step(vit, recipe, images, labels, "cuda"), 10)
        return f"{took['theirs'] * 1e3:.1f} ms a step"

    attempt(f"ViT-B/16, a training step of {batch} images", ours)
    if has_torch() and not dry:
        attempt("the same step in PyTorch, eager", theirs)
        if len(took) == 2:
            print(f"PyTorch's time by minivit's: {took['theirs'] / took['ours']:.2f} (above 1: minivit is faster)")
    else:
        print("left out: the same step in PyTorch" + (", which is not installed with CUDA" if not dry else ""))


def has_torch() -> bool:
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def wall_seconds(step: Callable[[], object], steps: int) -> float:
    """A step's median, after one that is not counted. It ends when its loss has been read."""
    measured = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        measured.append(time.perf_counter() - began)
    return statistics.median(measured[1:])
