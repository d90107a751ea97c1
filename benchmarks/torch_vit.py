"""The same model and training step in PyTorch eager, with minivit's weights: what minivit is timed against."""

from collections.abc import Callable

import numpy as np
import torch
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
    """One training step: forward, cross-entropy, backward, clipping by norm, AdamW; no augmentation."""
    theirs = TorchViT(model).to(device)
    forward = torch.compile(theirs) if compiled else theirs
    decayed = [p for p in theirs.parameters() if p.ndim == 2]
    others = [p for p in theirs.parameters() if p.ndim != 2]
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=1e-3, weight_decay=config.weight_decay)
    images, labels = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)

    def step() -> float:
        pixels = (images - model.config.image_mean) / model.config.image_std
        loss = F.cross_entropy(forward(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(theirs.parameters(), config.clip_norm)
        optimizer.step()
        return loss.item()

    return step
