"""Registers: learned tokens that stand for nothing, between the class token and the patches, so that the patches need
not be misused as scratch paper (arXiv 2309.16588)."""

import numpy as np


def registers_forward(x: np.ndarray, registers: np.ndarray, place: int) -> tuple[np.ndarray, tuple[int, int]]:
    """[x before | registers | x after]: x (B, N, D), registers (1, R, D), put before token `place` -> (B, N+R, D)."""
    R = registers.shape[1]
    registers = np.broadcast_to(registers, (x.shape[0], R, x.shape[2]))
    return np.concatenate((x[:, :place], registers, x[:, place:]), axis=1), (place, R)


def registers_backward(dy: np.ndarray, cache: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The registers served B images, as a class token does. Returns dx (B, N, D), dregisters (1, R, D)."""
    place, R = cache
    dx = np.concatenate((dy[:, :place], dy[:, place + R :]), axis=1)
    return dx, dy[:, place : place + R].sum(axis=0, keepdims=True)
