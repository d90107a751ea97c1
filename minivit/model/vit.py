"""The Vision Transformer, described, top to bottom (Dosovitskiy et al., arXiv 2010.11929):

    z₀ = [cls | patches E] + positions                     embedding           (equation 1)
    z' = z + MSA(LN(z)),  z'' = z' + MLP(LN(z'))           block, L times      (2, 3)
    logits = LN(cls or mean of z_L) W + b                  features, head      (4)

A configuration becomes layers (layers/layer.py), from which the forward, the backward, the parameters and their starts
follow. What a plain ViT has not (other positions, axial attention, SwiGLU, a ResNet first) is in variants.py and
resnet.py. Next: model.py, the layers with their numbers.
"""

import math

from ..layers import Chain, Fork, Layer, Op, Parameter, Residual
from ..layers.parts import attention, branch_end, dense, drop, first_attention, mlp, norm
from .config import ViTConfig
from .resnet import stem
from .variants import axial_block, grid_positions, relative_bias, swiglu


def vit(config: ViTConfig, every_token: bool = False) -> Chain:
    """images (B, height, width, C) -> logits (B, K); of two heads (B, 2, K); without classes the features (B, F).

    every_token: the last block computes all tokens, also where the head reads one (to look at them).
    """
    return Chain(encoder(config, every_token or config.pool != "cls"), features(config), *head(config))


def encoder(config: ViTConfig, every_token: bool = True) -> Chain:
    """images -> z_L (B, N, D). every_token=False: only those that the head reads, (B, 1, D), or (B, 2, D) of two.

    Nobody reads what the last block makes of the others, so it is not computed.
    """
    blocks = [block(config, i) for i in range(config.depth)]
    if not every_token:
        blocks[-1] = block(config, config.depth - 1, read=1 + config.distilled)
    return Chain(*embedding(config), *blocks)


def embedding(config: ViTConfig) -> list[Layer]:
    """images (B, height, width, C) -> z₀ = [cls | dist | registers | patches E] + positions; registers have none."""
    D, (ph, pw) = config.width, config.patch_size
    tokens = [Parameter("cls_token", (1, 1, D), std=1e-6)] if config.has_class_token else []
    tokens += [Parameter("dist_token", (1, 1, D), std=0.02)] if config.distilled else []
    positions = Parameter("pos_embed", (1, config.position_prefix + math.prod(config.grid), D), std=0.02)
    registers = Parameter("reg_token", (1, config.registers, D), std=1e-6)
    return [
        *stem(config),
        Op("patchify", patch_size=config.patch_size),  # (B, N, P·P·C)
        dense("patch_embed.proj", ph * pw * config.map_shape[2], D),  # (B, N, D)
        *grid_positions(config),  # of the patches alone
        *([Op("prepend", *tokens)] if tokens else []),  # (B, 1 + N, D)
        *([Op("add_position", positions)] if config.position == "1d" else []),  # of all tokens
        *([Op("registers", registers, place=config.position_prefix)] if config.registers else []),
        *drop(config.dropout),
    ]


def block(config: ViTConfig, i: int, read: int | None = None) -> Chain:
    """z' = z + MSA(LN(z)),   z'' = z' + MLP(LN(z')).   (B, N, D) -> (B, N, D), or of the first `read` tokens alone."""
    D, name, eps = config.width, f"blocks.{i}", config.norm_eps

    def end(scale: str) -> list[Layer]:
        return branch_end(f"{name}.{scale}", D, config.layer_scale, config.dropout, config.drop_path_rate(i))

    second = Residual(norm(f"{name}.norm2", D, eps), feed_forward(config, f"{name}.mlp"), *end("ls2"))
    if config.attention == "axial":
        return Chain(*axial_block(config, name, end), second)
    shortcut = None if read is None else Op("tokens", stop=read)
    first = Residual(
        norm(f"{name}.norm1", D, eps), attend(config, f"{name}.attn", read), *end("ls1"), shortcut=shortcut
    )
    return Chain(first, second)


def attend(config: ViTConfig, name: str, read: int | None) -> Layer:
    """MSA, of all tokens or of the first `read`; where positions are relative, with a bias on its scores."""
    sizes = name, config.width, config.heads
    bias = relative_bias(config, name, read) if config.position == "relative" else None
    options = dict(qkv_bias=config.qkv_bias, dropout=config.attention_dropout, bias=bias)
    return attention(*sizes, **options) if read is None else first_attention(*sizes, read, **options)


def feed_forward(config: ViTConfig, name: str) -> Chain:
    """MLP, each token by itself."""
    D, M = config.width, config.mlp_width
    if config.mlp == "swiglu":
        return swiglu(name, D, M, config.dropout)
    return mlp(name, D, M, config.gelu, config.dropout)


def features(config: ViTConfig) -> Chain:
    """z_L (B, N, D) -> what the head sees (B, F), or (B, 2, F) for two. "gap" normalises the mean, as timm does,
    "norm_gap" takes the mean of what is normalised, as Google. With "cls" the order is the same to the head."""
    pool = "distilled" if config.distilled else config.pool
    layers = [Op("pool", kind=pool.replace("norm_gap", "gap"), prefix=config.prefix_tokens), final_norm(config)]
    if pool.endswith("norm_gap"):
        layers.reverse()
    if config.representation_size is not None:
        layers += [dense("pre_logits.fc", config.pooled_width, config.representation_size), Op("tanh")]
    return Chain(*layers)


def final_norm(config: ViTConfig) -> Op:
    """ "norm", or "fc_norm" where it comes after mean pooling, as timm calls it."""
    return norm("fc_norm" if config.pool == "gap" else "norm", config.width, config.norm_eps)


def head(config: ViTConfig) -> list[Layer]:
    """The features -> the logits: (B, F) -> (B, K), of two heads (B, 2, F) -> (B, 2, K)."""
    # At .02 whatever the width: then the first loss is log K.
    heads = [dense(name, config.feature_width, config.classes, fan_in=False) for name in head_names(config)]
    if len(heads) < 2:
        return heads
    return [Fork(*(Chain(Op("tokens", start=i, stop=i + 1), head) for i, head in enumerate(heads)), axis=1)]


def head_names(config: ViTConfig) -> tuple[str, ...]:
    """The dense layers that give logits: one, two with distillation, none without classes."""
    return ("head", "head_dist")[: 1 + config.distilled] if config.classes else ()
