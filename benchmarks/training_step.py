"""A training step of minivit against PyTorch eager: same model, same weights, same batch, same machine, in turns.

    pip install torch==2.13.0 && python benchmarks/training_step.py

Each step: forward, cross-entropy, backward, clipping by norm, AdamW; no augmentation. The two losses are compared
before anything is timed. Prints the median of each and their ratio; below 1, minivit is faster. Both use all cores.
"""

import dataclasses
import functools
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from minivit import TrainConfig, Trainer, ViT, ViTConfig
from minivit.train.mnist import PRESETS
from minivit.train.shards import worker_pool

SECONDS, ROUNDS = 0.5, 8  # of each side's turn, and turns

_, DIGITS = PRESETS["default"]
CASES = {name: (config, DIGITS.batch_size, DIGITS.shard_size) for name, (config, _) in PRESETS.items()} | {
    "28² in 4²": (dataclasses.replace(PRESETS["full"][0], patch_size=4), 128, 32),
    "ViT-Ti/16": (ViTConfig(image_size=224, patch_size=16, width=192, depth=12, heads=3), 16, 8),
}
del CASES["quick"]  # the same model as "default"


class TorchBlock(nn.Module):
    def __init__(self, width: int, heads: int, mlp_width: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, mlp_width), nn.Linear(mlp_width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        B, N, D = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, N, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, N, D))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class TorchViT(nn.Module):
    def __init__(self, model: ViT) -> None:
        super().__init__()
        c = model.config
        self.patch = c.patch_size
        self.proj = nn.Linear(c.channels * c.patch_size[0] * c.patch_size[1], c.width)
        self.cls = nn.Parameter(torch.zeros(1, 1, c.width))
        self.pos = nn.Parameter(torch.zeros(1, c.tokens, c.width))
        self.blocks = nn.ModuleList(TorchBlock(c.width, c.heads, c.mlp_width) for _ in range(c.depth))
        self.norm, self.head = nn.LayerNorm(c.width, eps=1e-6), nn.Linear(c.width, c.classes)
        with torch.no_grad():
            for ours, theirs in zip(model.params.values(), self.in_our_order(), strict=True):
                theirs.copy_(torch.from_numpy(ours.T if theirs.ndim == 2 else ours))

    def in_our_order(self) -> list[nn.Parameter]:
        """The parameters in the order of minivit's dict."""
        modules = [self.proj]
        for block in self.blocks:
            modules += [block.norm1, block.qkv, block.proj, block.norm2, block.fc1, block.fc2]
        modules += [self.norm, self.head]
        parameters = [parameter for module in modules for parameter in (module.weight, module.bias)]
        return parameters[:2] + [self.cls, self.pos] + parameters[2:]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        B, height, width, C = images.shape
        ph, pw = self.patch
        x = images.view(B, height // ph, ph, width // pw, pw, C).permute(0, 1, 3, 2, 4, 5).reshape(B, -1, ph * pw * C)
        x = torch.cat((self.cls.expand(B, -1, -1), self.proj(x)), dim=1) + self.pos
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def torch_step(model: ViT, config: TrainConfig, images: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    theirs = TorchViT(model)
    decayed = [p for p in theirs.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if p.ndim != 2]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=config.weight_decay)
    images, labels = torch.from_numpy(images), torch.from_numpy(labels)

    def step() -> float:
        pixels = (images - model.config.image_mean) / model.config.image_std
        loss = F.cross_entropy(theirs(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), config.clip_norm)
        optimizer.step()
        return loss.item()

    return step


def milliseconds(step: Callable[[], float]) -> float:
    """A step's mean time in one turn, after one that lets the other side's threads come to rest."""
    step()
    count, start = 0, time.perf_counter()
    while time.perf_counter() < start + SECONDS:
        step()
        count += 1
    return 1e3 * (time.perf_counter() - start) / count


def compare(name: str) -> None:
    """One line: minivit and PyTorch in turns, so that both meet the same weather."""
    model_config, batch, shard = CASES[name]
    config = TrainConfig(batch_size=batch, shard_size=shard, shift=0, rotation=0, scale=0)
    rng = np.random.default_rng(0)
    images = rng.random((batch, *model_config.image_shape), dtype=np.float32)
    labels = rng.integers(0, model_config.classes, batch)
    model = ViT(model_config, init="fan_in")
    theirs = torch_step(model, config, images, labels)
    trainer = Trainer(model, images, labels, config)
    with worker_pool() as pool:
        first = trainer.step(pool)
    assert abs(first - theirs()) < 1e-4, "the first losses differ: not the same model"
    mine, torchs = [], []
    for _ in range(ROUNDS):
        with worker_pool() as pool:  # it limits BLAS, so it is not open in PyTorch's turn
            mine.append(milliseconds(functools.partial(trainer.step, pool)))
        torchs.append(milliseconds(theirs))
    ours, pytorch = statistics.median(mine), statistics.median(torchs)
    print(f"{name:<12}{batch:>6}{ours:>14.1f}{pytorch:>14.1f}{ours / pytorch:>9.2f}", flush=True)


if __name__ == "__main__":
    print(f"NumPy {np.__version__}, PyTorch {torch.__version__} on {torch.get_num_threads()} threads")
    print(f"{'model':<12}{'batch':>6}{'minivit ms':>14}{'PyTorch ms':>14}{'ratio':>9}")
    for name in CASES:
        compare(name)
