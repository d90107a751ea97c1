"""The tokens that are no patches, put in front of them (class token, registers), and the pooling at the end."""

import numpy as np


def class_token_forward(x: np.ndarray, cls: np.ndarray) -> tuple[np.ndarray, None]:
    """[cls | x]: x (B, N, D), cls (1, 1, D) -> (B, 1+N, D). One learned token, the same for all images (ViT, eq. 1)."""
    cls = np.broadcast_to(cls, (x.shape[0], 1, x.shape[2]))
    return np.concatenate((cls, x), axis=1), None


def class_token_backward(dy: np.ndarray, cache: None) -> tuple[np.ndarray, np.ndarray]:
    """One token served B images: its gradient is the sum of theirs. Returns dx (B, N, D), dcls (1, 1, D)."""
    return dy[:, 1:], dy[:, :1].sum(axis=0, keepdims=True)


def registers_forward(x: np.ndarray, registers: np.ndarray, place: int) -> tuple[np.ndarray, tuple[int, int]]:
    """[x before | registers | x after]: x (B, N, D), registers (1, R, D), put before token `place` -> (B, N+R, D).

    Tokens that stand for nothing, so that the patches need not be misused as scratch paper (arXiv 2309.16588).
    """
    R = registers.shape[1]
    registers = np.broadcast_to(registers, (x.shape[0], R, x.shape[2]))
    return np.concatenate((x[:, :place], registers, x[:, place:]), axis=1), (place, R)


def registers_backward(dy: np.ndarray, cache: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The registers served B images, as the class token did. Returns dx (B, N, D), dregisters (1, R, D)."""
    place, R = cache
    dx = np.concatenate((dy[:, :place], dy[:, place + R :]), axis=1)
    return dx, dy[:, place : place + R].sum(axis=0, keepdims=True)


def pool_forward(x: np.ndarray, kind: str, prefix: int = 0) -> tuple[np.ndarray, tuple]:
    """x (B, N, D) -> what the head sees: kind "cls", token 0 (B, D); "distilled", tokens 0 and 1 (B, 2, D); "gap"
    (global average pooling), the mean of the patches (B, D), which are all tokens but the first `prefix`; or "cls_gap",
    token 0 and that mean side by side (B, 2D)."""
    if kind == "cls":
        y = x[:, 0]
    elif kind == "distilled":
        y = x[:, :2]
    else:
        y = x[:, prefix:].mean(axis=1)
        if kind == "cls_gap":
            y = np.concatenate((x[:, 0], y), axis=1)
    return y, (x.shape, kind, prefix)


def pool_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """dy like y -> dx (B, N, D): all of it to the tokens that were taken, or 1/patches of it to each patch ("gap")."""
    shape, kind, prefix = cache
    dx = np.zeros_like(dy, shape=shape)
    if kind == "cls":
        dx[:, 0] = dy
    elif kind == "distilled":
        dx[:, :2] = dy
    else:
        D = shape[2]
        if kind == "cls_gap":
            dx[:, 0] = dy[:, :D]
        dx[:, prefix:] = dy[:, None, -D:] / (shape[1] - prefix)
    return dx
