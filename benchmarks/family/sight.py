"""How far does one token see? The pixels that can change it, after 1, 2 and 3 blocks. Nothing is trained.

    python benchmarks/family/sight.py

A token's gradient by the image is not 0 exactly where a pixel can reach it, whatever the parameters are. Swin: windows
of 4 x 4 tokens, a pixel each, with and without the shift of every second block. MobileViT: a block on a map of 28 x 28,
by its convolution alone, by its transformer alone, whose tokens look at those with the same place in their patch of
2 x 2, and by one after the other: between them they reach everything. Writes results/family/sight.png.
"""

from typing import Any

import numpy as np
from rows import RESULTS
from variants import WithoutShift

from minivit.family import MobileViT, MobileViTConfig, Swin, SwinConfig
from minivit.inspect import save_figure
from minivit.inspect.canvas import VERMILLION, new_figure
from minivit.layers import Chain
from minivit.proof import order_one_parameters

SIDE, BLOCKS = 28, 3
TOKEN = 13, 13  # (row, column) of a Swin's token: near its window's border, as most are


def seen(model: Any, layers: Chain, token: tuple[int, int], shape: tuple[int, int, int]) -> np.ndarray:
    """Which places of an input (height, width, C) reach a token of what `layers` leave, which has as many: True
    (height, width). In float64, at parameters of order one, so that no gradient is 0 by chance."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1, *shape))
    y, cache = layers.forward(model.device.ops, model.arrays(layers), x)
    dy = np.zeros_like(y).reshape(1, *shape[:2], -1)
    dy[0, token[0], token[1]] = rng.standard_normal(dy.shape[-1])
    dx, _ = layers.backward(model.device.ops, dy.reshape(y.shape), cache)
    return np.abs(dx[0]).sum(axis=-1) > 0


def swin(kind: type[SwinConfig]) -> list[np.ndarray]:
    """What a token sees after each block."""
    config = kind(image_size=SIDE, patch_size=1, channels=1, classes=0, width=8, depths=(BLOCKS,), heads=(1,), window=4)
    model = Swin(config, params=order_one_parameters(config, kind=Swin))
    encoder = model.layers.parts[0].parts
    before = len(encoder) - BLOCKS
    return [seen(model, Chain(*encoder[: before + count]), TOKEN, (SIDE, SIDE, 1)) for count in range(1, BLOCKS + 1)]


def mobilevit() -> list[np.ndarray]:
    """What a place sees in a block: by its first convolution, by its transformer, by both."""
    options = dict(widths=(8,), strides=(1,), units=(1,), expansions=(2,), token_widths=(8,), depths=(1,))
    config = MobileViTConfig(image_size=2 * SIDE, channels=1, stem_width=8, **options)
    model = MobileViT(config, params=order_one_parameters(config, kind=MobileViT))
    fork = model.layers.parts[0].parts[-1].parts[0]  # [x | what the tokens say of it]
    convolution, *tokens = fork.parts[1].parts
    layers = Chain(convolution), Chain(*tokens), Chain(convolution, *tokens)
    return [seen(model, chain, TOKEN, (SIDE, SIDE, 8)) for chain in layers]


def pictures() -> dict[str, np.ndarray]:
    """Names and what is seen, (28, 28) each: two rows of Swin, one of MobileViT."""
    made = {}
    for name, kind in (("shifted", SwinConfig), ("never shifted", WithoutShift)):
        for count, reached in enumerate(swin(kind), start=1):
            made[f"Swin, {name}: {count} block{'s' if count > 1 else ''}"] = reached
    names = "MobileViT: convolution 3 x 3", "its tokens, unfolded by 2 x 2", "one after the other"
    return made | dict(zip(names, mobilevit(), strict=True))


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
