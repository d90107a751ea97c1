"""How far does one token see? The pixels that can change it, after 1, 2 and 3 blocks. Nothing is trained.

    python benchmarks/family/sight.py

A token's gradient by the image is not 0 exactly where a pixel can reach it, whatever the parameters are. Swin: windows
of 4 x 4 tokens, a pixel each, with and without the shift of every second block. MobileViT: convolutions alone, and with
its transformer, whose tokens are unfolded by 2 x 2 patches, or not (1 x 1). Writes results/family/sight.png.
"""

from typing import Any

import numpy as np
from classifiers import configuration
from rows import RESULTS
from variants import WithoutShift, without_tokens

from minivit.family import MobileViT, MobileViTConfig, Swin, SwinConfig
from minivit.inspect import save_figure
from minivit.inspect.canvas import BLUE, VERMILLION, new_figure
from minivit.layers import Chain
from minivit.proof import order_one_parameters

SIDE, BLOCKS = 28, 3
TOKEN = 13, 13  # (row, column) of a Swin's token: near its window's border, as most are


def seen(model: Any, layers: Chain, token: tuple[int, int], side: int) -> np.ndarray:
    """Which pixels reach a token of what `layers` leave, a map of `side` x `side`: True (28, 28). Evaluated in float64,
    at parameters of order one, so that no gradient is 0 by chance."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((1, *model.config.image_shape))
    x, cache = layers.forward(model.device.ops, model.arrays(layers), images)
    dx = np.zeros_like(x).reshape(1, side, side, -1)
    dx[0, token[0], token[1]] = rng.standard_normal(dx.shape[-1])
    dimages, _ = layers.backward(model.device.ops, dx.reshape(x.shape), cache)
    return np.abs(dimages[0]).sum(axis=-1) > 0


def swin(kind: type[SwinConfig]) -> list[np.ndarray]:
    """What a token sees after each block."""
    config = kind(image_size=SIDE, patch_size=1, channels=1, classes=0, width=8, depths=(BLOCKS,), heads=(1,), window=4)
    model = Swin(config, params=order_one_parameters(config))
    encoder = model.layers.parts[0].parts
    before = len(encoder) - BLOCKS
    return [seen(model, Chain(*encoder[: before + count]), TOKEN, SIDE) for count in range(1, BLOCKS + 1)]


def mobilevit(config: MobileViTConfig) -> np.ndarray:
    """What the middle of the last map sees."""
    model = MobileViT(config, params=order_one_parameters(config))
    side = config.stages[-1].map[0]
    return seen(model, model.layers.parts[0], (side // 2, side // 2), side)


def pictures() -> dict[str, np.ndarray]:
    """Names and what is seen, (28, 28) each: two rows of Swin, one of MobileViT."""
    made = {}
    for name, kind in (("shifted", SwinConfig), ("never shifted", WithoutShift)):
        for count, reached in enumerate(swin(kind), start=1):
            made[f"Swin, {name}: {count} block{'s' if count > 1 else ''}"] = reached
    plain = configuration("mobilevit")
    options = plain.to_dict()
    made["MobileViT: convolutions alone"] = mobilevit(without_tokens(plain))
    made["tokens, unfolded by 2 x 2"] = mobilevit(plain)
    made["tokens, not unfolded"] = mobilevit(MobileViTConfig(**options | {"patch_size": 1}))
    return made


if __name__ == "__main__":
    figure = new_figure(7.6)
    for axes, (name, reached) in zip(figure.subplots(3, BLOCKS).flat, pictures().items(), strict=True):
        axes.imshow(np.where(reached[..., None], [0.0, 0.45, 0.7], [0.93, 0.93, 0.93]))
        axes.set_title(f"{name}\n{reached.sum()} of {reached.size} pixels", fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        if name.startswith("Swin"):
            axes.plot(TOKEN[1], TOKEN[0], "s", color=VERMILLION, markersize=4)
            axes.set_xticks(np.arange(-0.5, SIDE, 4), minor=True)
            axes.set_yticks(np.arange(-0.5, SIDE, 4), minor=True)
            axes.grid(which="minor", color="white", linewidth=0.8)
            axes.tick_params(which="minor", length=0)
        print(f"{name}: {reached.sum()} of {reached.size} pixels")
    save_figure(figure, RESULTS / "sight.png", dpi=100)
