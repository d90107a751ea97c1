"""Sentences of a batch differ in length: the short ones are filled up, and nobody looks at what fills them."""

import numpy as np

ABSENT = -1e9  # not −∞: where a kernel's tile of keys holds nothing else, that would become NaN


def key_mask(mask: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """What is added to the scores: mask (B, N), 1 for a word, 0 for padding -> 0 or −10⁹, for all heads and queries
    alike, (B, 1, 1, N). The queries of padding are computed all the same, and mean nothing."""
    return np.where(mask != 0, 0.0, ABSENT).astype(dtype)[:, None, None]
