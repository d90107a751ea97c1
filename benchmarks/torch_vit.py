"""The same model and training step in PyTorch eager, with minivit's weights: what minivit is timed against."""

from collections.abc import Callable

import numpy as np
import torch
from cases import Case
from torch import nn
from torch.nn import functional as F

from minivit import TrainConfig, ViT


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
            for ours, theirs in zip(model.numpy_params().values(), self.in_our_order(), strict=True):
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


def torch_step(
    model: ViT, config: TrainConfig, images: np.ndarray, labels: np.ndarray, device: str = "cpu", compiled: bool = False
) -> Callable[[], float]:
    """One training step on raw images (uint8 or floats in [0, 1]), all of them: forward, cross-entropy, backward,
    clipping by norm, AdamW; no augmentation."""
    theirs, images, labels = TorchViT(model).to(device), *(torch.from_numpy(a).to(device) for a in (images, labels))
    step = _step(theirs, model, config, compiled)
    return lambda: step(images, labels)


def torch_work(model: ViT, case: Case, compiled: bool) -> Callable[[], float]:
    """A piece of work, as rivals.py has it for minivit."""
    theirs = TorchViT(model)
    images, labels = map(torch.from_numpy, case.data(case.images or case.batch))
    if case.work == "forward":
        pixels, forward = _normalize(model, images), torch.compile(theirs) if compiled else theirs

        def infer() -> float:
            with torch.inference_mode():
                return forward(pixels)[0, 0].item()

        return infer
    step = _step(theirs, model, case.recipe, compiled)
    if case.work == "step":
        return lambda: step(images, labels)
    tested = len(images) // 4

    def epoch() -> float:
        order = torch.randperm(len(images))
        losses = [
            step(images[part], labels[part], augment=True)
            for part in order[: len(images) // case.batch * case.batch].split(case.batch)
        ]
        with torch.inference_mode():
            for part in torch.arange(tested).split(500):
                theirs(_normalize(model, images[part]))
        return losses[0]

    return epoch


def _step(theirs: TorchViT, model: ViT, config: TrainConfig, compiled: bool) -> Callable[..., float]:
    forward = torch.compile(theirs) if compiled else theirs
    decayed = [p for p in theirs.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if p.ndim != 2]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=config.weight_decay)

    def step(images: torch.Tensor, labels: torch.Tensor, augment: bool = False) -> float:
        pixels = _normalize(model, _moved(images / 255, config) if augment else images)
        loss = F.cross_entropy(forward(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), config.clip_norm)
        optimizer.step()
        return loss.item()

    return step


def _normalize(model: ViT, images: torch.Tensor) -> torch.Tensor:
    pixels = images / 255 if images.dtype == torch.uint8 else images
    return (pixels - model.config.image_mean) / model.config.image_std


def _moved(images: torch.Tensor, config: TrainConfig) -> torch.Tensor:
    """What minivit's random_affine does, by PyTorch's own grid."""
    B, height, width, _ = images.shape

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(B) * (high - low) + low

    angle = torch.deg2rad(uniform(-config.rotation, config.rotation))
    factor = 1 / uniform(1 - config.scale, 1 + config.scale)
    cos, sin = factor * angle.cos(), factor * angle.sin()
    dx = uniform(-config.shift, config.shift) * 2 / width
    dy = uniform(-config.shift, config.shift) * 2 / height
    theta = torch.stack((torch.stack((cos, -sin, dx), 1), torch.stack((sin, cos, dy), 1)), 1)
    grid = F.affine_grid(theta, (B, 1, height, width), align_corners=False)
    return F.grid_sample(images.permute(0, 3, 1, 2), grid, align_corners=False).permute(0, 2, 3, 1)
