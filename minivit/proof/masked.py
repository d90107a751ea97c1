"""The operations of masked autoencoders and of BERT, for proof.py."""

from collections.abc import Callable, Mapping

import numpy as np

from .. import ops

ORDER, RESTORE = ops.shuffle(np.random.default_rng(3).random((2, 5)))
MASK = np.array([[1.0, 0, 1, 1], [0, 1, 1, 0]])  # patches that are left out
IDS = np.array([[3, 1, 3, 4], [1, 1, 6, 3]])  # words; some come often, some never
LABELS = np.array([[2, -100, 0, 2], [-100, -100, 4, 1]])  # of words that are asked for
PAIR = {"prediction": (2, 4, 6), "target": (2, 4, 6)}

# As OPS in operations.py.
MASKED: dict[str, tuple[Callable, Callable, Mapping[str, tuple[int, ...]]]] = {
    "keep_tokens": (
        lambda x: ops.keep_tokens_forward(x, ORDER, RESTORE, 2),
        ops.keep_tokens_backward,
        {"x": (2, 5, 6)},
    ),
    "keep_tokens, class token": (
        lambda x: ops.keep_tokens_forward(x, ORDER, RESTORE, 3, 1),
        ops.keep_tokens_backward,
        {"x": (2, 6, 4)},
    ),
    "restore_tokens": (
        lambda x, token: ops.restore_tokens_forward(x, token, ORDER, RESTORE),
        ops.restore_tokens_backward,
        {"x": (2, 3, 6), "token": (1, 1, 6)},
    ),
    "restore_tokens, class token": (
        lambda x, token: ops.restore_tokens_forward(x, token, ORDER, RESTORE, 1),
        ops.restore_tokens_backward,
        {"x": (2, 3, 4), "token": (1, 1, 4)},
    ),
    "add_fixed_position": (
        lambda x: ops.add_fixed_position_forward(x, ops.position_mae((2, 2), 4).astype(x.dtype)),
        ops.add_fixed_position_backward,
        {"x": (2, 5, 4)},
    ),
    "standardise_patches": (ops.standardise_patches_forward, ops.standardise_patches_backward, {"patches": (2, 3, 6)}),
    "standardise_patches, eps 0.5": (
        lambda patches: ops.standardise_patches_forward(patches, 0.5),
        ops.standardise_patches_backward,
        {"patches": (2, 3, 4)},
    ),
    "masked_mse": (
        lambda prediction, target: ops.masked_mse_forward(prediction, target, MASK.astype(prediction.dtype)),
        ops.masked_mse_backward,
        PAIR,
    ),
    "embedding": (
        lambda table: ops.embedding_forward(IDS, table),
        lambda dy, cache: ops.embedding_backward(dy, cache)[1],
        {"table": (7, 5)},
    ),
    "add_embedding": (
        lambda x, table: ops.add_embedding_forward(x, table, IDS),
        ops.add_embedding_backward,
        {"x": (2, 4, 5), "table": (7, 5)},
    ),
    "add_first_rows": (
        ops.add_first_rows_forward,
        ops.add_first_rows_backward,
        {"x": (2, 4, 5), "table": (6, 5)},
    ),
    "unembed": (ops.unembed_forward, ops.unembed_backward, {"x": (2, 3, 4), "table": (7, 4), "bias": (7,)}),
    "asked_cross_entropy": (
        lambda logits: ops.asked_cross_entropy_forward(logits, LABELS),
        ops.asked_cross_entropy_backward,
        {"logits": (2, 4, 5)},
    ),
    "asked_cross_entropy, of a larger batch": (
        lambda logits: ops.asked_cross_entropy_forward(logits, LABELS, 9),
        ops.asked_cross_entropy_backward,
        {"logits": (2, 4, 5)},
    ),
}
