"""From tokens to one vector and back: the class token, put in front of the patches, and the pooling at the end."""

import numpy as np


def class_token_forward(x: np.ndarray, cls: np.ndarray) -> tuple[np.ndarray, None]:
    """[cls | x]: x (B, N, D), cls (1, 1, D) -> (B, 1+N, D). One learned token, the same for all images (ViT, eq. 1)."""
    cls = np.broadcast_to(cls, (x.shape[0], 1, x.shape[2]))
    return np.concatenate((cls, x), axis=1), None


def class_token_backward(dy: np.ndarray, cache: None) -> tuple[np.ndarray, np.ndarray]:
    """One token served B images: its gradient is the sum of theirs. Returns dx (B, N, D), dcls (1, 1, D)."""
    return dy[:, 1:], dy[:, :1].sum(axis=0, keepdims=True)


def pool_forward(x: np.ndarray, kind: str) -> tuple[np.ndarray, tuple]:
    """x (B, N, D) -> (B, D): kind "cls" takes token 0, "gap" (global average pooling) the mean of all tokens."""
    return (x[:, 0] if kind == "cls" else x.mean(axis=1)), (x.shape, kind)


def pool_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """dy (B, D) -> dx (B, N, D): all of it to token 0 ("cls"), or 1/N of it to each token ("gap")."""
    shape, kind = cache
    dx = np.zeros_like(dy, shape=shape)
    if kind == "cls":
        dx[:, 0] = dy
    else:
        dx += dy[:, None] / shape[1]
    return dx
