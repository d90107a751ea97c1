"""The tokens that are no patches, put before them; a few tokens alone; and the pooling at the end."""

import numpy as np

POOLS = ("cls", "distilled", "gap", "cls_gap")


def prepend_forward(x: np.ndarray, *tokens: np.ndarray) -> tuple[np.ndarray, int]:
    """[cls | x], or with more of them [cls | dist | x]: learned tokens, the same for all images (ViT, equation 1).

    x (B, N, D), each token (1, 1, D) -> (B, tokens + N, D). Cached: how many there are.
    """
    B, _, D = x.shape
    return np.concatenate((*(np.broadcast_to(token, (B, 1, D)) for token in tokens), x), axis=1), len(tokens)


def prepend_backward(dy: np.ndarray, cache: int) -> tuple[np.ndarray, ...]:
    """A token served B images: its gradient is the sum of theirs. Returns dx (B, N, D), and dtoken (1, 1, D) each."""
    dtokens = dy[:, :cache].sum(axis=0, keepdims=True)
    return dy[:, cache:], *(dtokens[:, i : i + 1] for i in range(cache))


def tokens_forward(x: np.ndarray, start: int = 0, stop: int | None = None) -> tuple[np.ndarray, tuple]:
    """Some of the tokens alone, start to stop − 1: (B, N, D) -> (B, stop − start, D)."""
    return x[:, start:stop], (x.shape, slice(start, stop))


def tokens_backward(dy: np.ndarray, cache: tuple) -> np.ndarray:
    """Nobody reads the others: their gradient is 0. dy like y -> dx (B, N, D)."""
    shape, part = cache
    dx = np.zeros_like(dy, shape=shape)
    dx[:, part] = dy
    return dx


def pool_forward(x: np.ndarray, kind: str, prefix: int = 0) -> tuple[np.ndarray, tuple]:
    """x (B, N, D) -> what the head sees: kind "cls", token 0 (B, D); "distilled", tokens 0 and 1 (B, 2, D); "gap"
    (global average pooling), the mean of the patches (B, D), which are all tokens but the first `prefix`; or "cls_gap",
    token 0 and that mean side by side (B, 2D)."""
    if kind not in POOLS:
        raise ValueError(f"kind is {kind!r}, expected one of {', '.join(map(repr, POOLS))}")
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
