"""The parts that models are described with: each gives a layer for a name and sizes. Parameters bear timm's names.

D is the width, H the number of heads, M the MLP's width; read layer.py first. Next: model/vit.py.
"""

from .layer import Chain, Layer, Op, Parameter
from .let import Let


def dense(name: str, n_in: int, n_out: int, bias: bool = True, std: float = 0.02, fan_in: bool = True) -> Op:
    """y = x W + b.   (..., in) -> (..., out). fan_in: the start follows from `in` where a model asks for that."""
    weight = Parameter(f"{name}.weight", (n_in, n_out), std=std, dense=fan_in)
    return Op("linear", weight, Parameter(f"{name}.bias", (n_out,)) if bias else None)


def norm(name: str, D: int, eps: float = 1e-6) -> Op:
    """LayerNorm, which does nothing yet: its weight starts at 1.   (..., D) -> (..., D)"""
    return Op("layernorm", Parameter(f"{name}.weight", (D,), mean=1.0), Parameter(f"{name}.bias", (D,)), eps=eps)


def attention(
    name: str, D: int, H: int, qkv_bias: bool = True, dropout: float = 0.0, bias: Layer | None = None
) -> Chain:
    """Multi-head self-attention: queries, keys and values; the heads attend; and are mixed.   (B, N, D) -> (B, N, D)

    bias: a layer that makes what is added to the scores, if anything is.
    """
    heads = Op("self_attention", _name(name, bias), heads=H, dropout=dropout, noise=True)
    return Chain(dense(f"{name}.qkv", D, 3 * D, qkv_bias), _with(name, bias, heads), dense(f"{name}.proj", D, D))


def first_attention(
    name: str, D: int, H: int, count: int, qkv_bias: bool = True, dropout: float = 0.0, bias: Layer | None = None
) -> Layer:
    """The same, for the first `count` tokens alone: their queries, and the keys and values of all.

    (B, N, D) -> (B, count, D). bias: as many rows as queries.
    """
    qkv = dense(f"{name}.qkv", D, 3 * D, qkv_bias)
    q, kv = (Op("linear_columns", *qkv.parameters, columns=columns) for columns in ((0, D), (D, 3 * D)))
    heads = Op("cross_attention", f"{name}.kv", _name(name, bias), heads=H, dropout=dropout, noise=True)
    asking = Chain(Op("tokens", stop=count), q, _with(name, bias, heads), dense(f"{name}.proj", D, D))
    return Let(f"{name}.kv", kv, asking)


def mlp(name: str, D: int, M: int, gelu: str = "erf", dropout: float = 0.0) -> Chain:
    """Each token by itself: up to M numbers, through a GELU, and down again.   (..., D) -> (..., D)"""
    gate = Op("gelu", kind=gelu, alone={"with_slope": False})
    return Chain(dense(f"{name}.fc1", D, M), gate, *drop(dropout), dense(f"{name}.fc2", M, D))


def drop(rate: float) -> list[Layer]:
    """Dropout, where its rate is not 0."""
    return [Op("dropout", rate=rate, noise=True)] if rate else []


def branch_end(name: str, D: int, scale: float | None, dropout: float, drop_path: float) -> list[Layer]:
    """A branch ends in dropout, LayerScale and drop path, where they are configured."""
    layers = drop(dropout)
    if scale is not None:
        layers.append(Op("layerscale", Parameter(f"{name}.gamma", (D,), mean=scale)))
    if drop_path:
        layers.append(Op("drop_path", rate=drop_path, noise=True))
    return layers


def _name(name: str, bias: Layer | None) -> str | None:
    return None if bias is None else f"{name}.bias"


def _with(name: str, bias: Layer | None, layer: Layer) -> Layer:
    """The layer, which reads the bias by its name."""
    return layer if bias is None else Let(f"{name}.bias", bias, layer)
