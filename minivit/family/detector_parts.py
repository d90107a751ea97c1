"""The parts that detectors are described with, as layers/parts.py has those of all models: attention that is told where
things are by q and k alone, the MLP with a ReLU, the MLP of boxes. They start as the authors' do, though normally
distributed."""

import math

from ..layers import Chain, Fork, Layer, Let, Op, Value
from ..layers.parts import dense, drop
from .detector_config import DetectorConfig


def xavier(n_in: int, n_out: int) -> float:
    """The standard deviation of Glorot and Bengio's start (2010, equation 16), which keeps the size of what flows."""
    return math.sqrt(2 / (n_in + n_out))


def usual(n_in: int) -> float:
    """That of PyTorch's dense layers and convolutions, which are uniform in ±1/√in."""
    return math.sqrt(1 / (3 * n_in))


def self_attention(
    config: DetectorConfig, name: str, places: Layer, mask: str | None = None, dropout: float = 0.0
) -> Chain:
    """Queries and keys are made of x with its places, values of x alone.   (B, N, D) -> (B, N, D)

    places: the layer that adds them to x; mask: the name of what is added to the scores, if anything is.
    """
    D, qkv = config.width, _qkv(config, name)
    q_and_k, v = (Op("linear_columns", *qkv.parameters, columns=columns) for columns in ((0, 2 * D), (2 * D, 3 * D)))
    heads = Op("self_attention", mask and f"{name}.mask", heads=config.heads, dropout=dropout, noise=True)
    return Chain(Fork(Chain(places, q_and_k), v), _masked(name, mask, heads), _projection(config, name))


def cross_attention(
    config: DetectorConfig,
    name: str,
    places: Layer,
    memory: str,
    memory_places: Layer,
    mask: str | None = None,
    dropout: float = 0.0,
) -> Let:
    """The same, but that keys and values are made of what is let as `memory`, (B, N, D).   (B, Q, D) -> (B, Q, D)"""
    D, qkv = config.width, _qkv(config, name)
    q, k, v = (Op("linear_columns", *qkv.parameters, columns=(i * D, (i + 1) * D)) for i in range(3))
    heads = Op(
        "cross_attention", f"{name}.kv", mask and f"{name}.mask", heads=config.heads, dropout=dropout, noise=True
    )
    asking = Chain(places, q, _masked(name, mask, heads), _projection(config, name))
    return Let(f"{name}.kv", Chain(Value(memory), Fork(Chain(memory_places, k), v)), asking)


def mlp(config: DetectorConfig, name: str) -> Chain:
    """Each token by itself: up to M numbers, through a ReLU, and down again.   (B, N, D) -> (B, N, D)"""
    D, M = config.width, config.mlp_width
    first, last = (
        dense(f"{name}.linear{i}", *sizes, std=xavier(D, M)) for i, sizes in enumerate(((D, M), (M, D)), start=1)
    )
    return Chain(first, Op("relu"), *drop(config.dropout), last)


def box_mlp(name: str, D: int) -> Chain:
    """Three dense layers, to what a sigmoid makes a box.   (..., D) -> (..., 4)"""
    layers = [dense(f"{name}.layers.{i}", D, n_out, std=usual(D)) for i, n_out in enumerate((D, D, 4))]
    return Chain(layers[0], Op("relu"), layers[1], Op("relu"), layers[2])


def _qkv(config: DetectorConfig, name: str) -> Op:
    D = config.width
    return dense(f"{name}.qkv", D, 3 * D, std=xavier(D, 3 * D))


def _projection(config: DetectorConfig, name: str) -> Op:
    return dense(f"{name}.proj", config.width, config.width, std=xavier(config.width, config.width))


def _masked(name: str, mask: str | None, heads: Op) -> Layer:
    """The mask by a name of its own: no gradient goes to it."""
    return heads if mask is None else Let(f"{name}.mask", Value(mask, held=True), heads)
