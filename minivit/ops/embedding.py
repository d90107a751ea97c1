"""Words: a table with a row for each, looked up where they go in, and multiplied with where they come out.

BERT (Devlin et al., arXiv 1810.04805):  e = word[id] + type[segment] + position[0 … N−1],  logits = h wordᵀ + b.
"""

import numpy as np

from .sums import sum_tokens


def embedding_forward(ids: np.ndarray, table: np.ndarray, padding: int | None = None) -> tuple[np.ndarray, tuple]:
    """The rows of the table: ids (B, N), table (V, D) -> (B, N, D).

    padding: the word that fills up short sentences. Its row is read as any other, but learns nothing from it (PyTorch's
    padding_idx).
    """
    return table[ids], (ids, len(table), padding)


def embedding_backward(dy: np.ndarray, cache: tuple) -> tuple[None, np.ndarray]:
    """A row served all the places of its word: its gradient is the sum of theirs. Words have none: None, dtable."""
    ids, rows, padding = cache
    dtable = sum_by_row(dy, ids, rows)
    if padding is not None:
        dtable[padding] = 0
    return None, dtable


def add_embedding_forward(x: np.ndarray, table: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, tuple]:
    """x + table[ids]: x (B, N, D), table (T, D), ids (B, N), such as which of two sentences a word stands in."""
    return x + table[ids], (ids, len(table))


def add_embedding_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray]:
    """As embedding's: dx, dtable."""
    return dy, sum_by_row(dy, *cache)


def add_first_rows_forward(x: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, int]:
    """x (B, N, D) + the first N rows of table (P, D), N ≤ P: positions, of which short sentences need a few."""
    return x + table[: x.shape[1]], len(table)


def add_first_rows_backward(dy: np.ndarray, cache: int) -> tuple[np.ndarray, np.ndarray]:
    """One table served B sentences; rows beyond them have the gradient 0. dx (B, N, D), dtable (P, D)."""
    dtable = np.zeros_like(dy, shape=(cache, dy.shape[2]))
    dtable[: dy.shape[1]] = dy.sum(axis=0)
    return dy, dtable


def unembed_forward(x: np.ndarray, table: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, tuple]:
    """y = x tableᵀ + b: how well each word fits. x (..., D), table (V, D), bias (V,) -> (..., V)."""
    y = x.reshape(-1, x.shape[-1]) @ table.T
    y += bias
    return y.reshape(*x.shape[:-1], -1), (x, table)


def unembed_backward(dy: np.ndarray, cache: tuple) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The dense layer's, with a weight that lies the other way: dx = dy table, dtable = dyᵀ x, db = Σ dy."""
    x, table = cache
    rows = dy.reshape(-1, dy.shape[-1])
    return (rows @ table).reshape(x.shape), rows.T @ x.reshape(-1, x.shape[-1]), sum_tokens(rows)


def sum_by_row(dy: np.ndarray, ids: np.ndarray, rows: int) -> np.ndarray:
    """dtable_r = Σ over the places where ids = r of dy: dy (..., D), ids (...) -> (rows, D).

    Sorted by their row, the places of one stand side by side, and each run of them is summed in one go: far faster than
    np.add.at, which goes from number to number.
    """
    ids, dy = ids.reshape(-1), dy.reshape(-1, dy.shape[-1])
    order = np.argsort(ids, kind="stable")
    sorted_ids = ids[order]
    first = np.concatenate((np.ones_like(ids[:1]), np.diff(sorted_ids)))  # not 0 where another row begins
    starts = np.flatnonzero(first)
    dtable = np.zeros_like(dy, shape=(rows, dy.shape[1]))
    dtable[sorted_ids[starts]] = np.add.reduceat(dy[order], starts, axis=0)
    return dtable
