"""What one asks of BERT: what it makes of words, its loss, sentences as vectors. bert.py describes it."""

from typing import Any

import numpy as np

from .. import ops
from ..layers import Arrays, Chain
from ..model import Described
from ..model.attention_maps import attention_maps
from ..ops.asked_cross_entropy import NOT_ASKED
from .bert import KEY_MASK, SEGMENTS, BERTConfig, bert, encoder


class BERT(Described[BERTConfig]):
    """A BERT: `tokens, pooled = bert(ids, mask, segments)`, or the logits of its heads. Its arguments are a ViT's.

    ids (B, N): words, whole numbers; mask (B, N): 1 for a word, 0 for what fills up, all 1 if not given; segments
    (B, N): which of two sentences, all 0 if not given. The answer follows from the configuration's head:
    "none": tokens (B, N, D) and pooled (B, D), None without a pooler;   "classifier": logits (B, K);
    "masked words": word logits (B, N, V);   "pretraining": these, and the logits (B, 2) of the next sentence.
    """

    Config = BERTConfig
    describe = staticmethod(bert)

    def __call__(
        self, ids: np.ndarray, mask: np.ndarray | None = None, segments: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray | None] | np.ndarray:
        """What the heads say, in evaluation."""
        ids, named = self.given(ids, mask, segments)
        return self._answer(self.layers(self.device.ops, self.arrays(self.layers) | named, ids))

    def forward(
        self,
        ids: np.ndarray,
        mask: np.ndarray | None = None,
        segments: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Any, Any]:
        """The same, and the cache for one `backward`. rng: the source of dropout in training."""
        ids, named = self.given(ids, mask, segments)
        first, rest = self._halves()
        x, cache = first.forward(self.device.ops, self.arrays(self.layers) | named, ids)
        out, rest_cache = rest.forward(self.device.ops, self.arrays(self.layers) | named, x, rng)
        return self._answer(out), (cache, rest_cache)

    def backward(self, dout: Any, cache: Any) -> tuple[Arrays, np.ndarray]:
        """`forward` in reverse: the gradient of what it answered -> the gradients (a dict like `params`), and that by
        the embeddings after their norm, (B, N, D): words are no numbers to have one."""
        first, rest = self._halves()
        if self.config.head == "none" and not self.config.pooler:
            dout = dout[0]
        dembeddings, grads = rest.backward(self.device.ops, dout, cache[1])
        _, more = first.backward(self.device.ops, dembeddings, cache[0])
        for name, grad in more.items():  # the table of words is read where they come out, too
            grads[name] = grads[name] + grad if name in grads else grad
        return {name: grads[name] for name in self.params}, dembeddings

    def loss_and_grads(
        self,
        ids: np.ndarray,
        labels: np.ndarray,
        mask: np.ndarray | None = None,
        segments: np.ndarray | None = None,
        next_sentence: np.ndarray | None = None,
        rng: np.random.Generator | None = None,
        divisors: tuple[int, int] | None = None,
    ) -> tuple[float, Arrays]:
        """The loss of the heads and its gradient for every parameter; rng switches dropout on.

        labels: of a classifier (B,) classes; else (B, N) words, −100 where none is asked. Head "pretraining" is asked
        next_sentence (B,), too, where that is given, and the loss is the sum of both. Each is a mean over what is asked
        in the whole batch: where these are a part of it, divisors says how many labels and how many pairs that has.
        """
        labels = self._checked_labels(labels, np.shape(ids), next_sentence)
        if divisors is None and any((asked == NOT_ASKED).all() for asked in labels):
            raise ValueError(f"every label is {NOT_ASKED}: nothing is asked, so there is no mean of it")
        out, cache = self.forward(ids, mask, segments, rng)
        ops, both = self.device.ops, isinstance(out, tuple)
        loss, douts = 0.0, []
        for logits, asked, divisor in zip(out if both else (out,), labels, divisors or (None, None), strict=False):
            one, loss_cache = ops.asked_cross_entropy_forward(logits, self.device.asarray(asked), divisor)
            loss += float(one)
            douts.append(ops.asked_cross_entropy_backward(1.0, loss_cache))
        if both and next_sentence is None:
            douts.append(np.zeros_like(out[1]))
        return loss, self.backward(tuple(douts) if both else douts[0], cache)[0]

    def features(
        self, ids: np.ndarray, mask: np.ndarray | None = None, segments: np.ndarray | None = None
    ) -> np.ndarray:
        """The last block's tokens, whatever heads there are: (B, N) -> (B, N, D)."""
        ids, named = self.given(ids, mask, segments)
        tokens = Chain(*self.layers.parts[:2])
        return tokens(self.device.ops, self.arrays(tokens) | named, ids)

    def sentences(
        self, ids: np.ndarray, mask: np.ndarray | None = None, segments: np.ndarray | None = None
    ) -> np.ndarray:
        """A vector a sentence, as Sentence-BERT's MiniLM makes them (arXiv 1908.10084): the mean of its words' tokens,
        of length 1, so that a product of two is their similarity. (B, N) -> (B, D)"""
        tokens = self.device.to_numpy(self.features(ids, mask, segments))
        there = np.ones(np.shape(ids), self.dtype) if mask is None else np.asarray(mask, self.dtype)
        mean = (tokens * there[:, :, None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def attention(
        self, ids: np.ndarray, mask: np.ndarray | None = None, segments: np.ndarray | None = None
    ) -> np.ndarray:
        """Which word looks at which: -> (L, B, H, N, N), rows sum to 1, and what fills up is looked at by none."""
        ids, named = self.given(ids, mask, segments)
        layers = Chain(self.layers.parts[0], encoder(self.config))
        maps = attention_maps(self.device.ops, self.arrays(layers) | named, layers, ids)
        return np.stack([self.device.to_numpy(weights) for weights in maps])

    def _halves(self) -> tuple[Chain, Chain]:
        """What ends in the normed embeddings, and what begins with them."""
        return self.layers.parts[0], Chain(*self.layers.parts[1:])

    def _answer(self, out: Any) -> Any:
        return (out, None) if self.config.head == "none" and not self.config.pooler else out

    def given(
        self, ids: np.ndarray, mask: np.ndarray | None, segments: np.ndarray | None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """The words, checked, and what the layers read besides parameters. Raises ValueError or TypeError."""
        ids = check_numbers("ids", ids, None, self.config.words)
        if ids.shape[1] > self.config.positions:
            raise ValueError(f"sentences of {ids.shape[1]} words, expected at most {self.config.positions}")
        if segments is None:
            segments = np.zeros_like(ids)
        segments = check_numbers("segments", segments, ids.shape, self.config.segments)
        asarray = self.device.asarray
        key_mask = None
        if mask is not None:
            mask = check_numbers("mask", mask, ids.shape, 2)
            if (empty := np.flatnonzero(~mask.any(axis=1))).size:
                raise ValueError(f"mask is 0 for all of sentence {empty[0]}: expected a word in each")
            key_mask = None if mask.all() else asarray(ops.key_mask(mask, self.dtype))
        return asarray(ids), {KEY_MASK: key_mask, SEGMENTS: asarray(segments)}

    def _checked_labels(
        self, labels: np.ndarray, shape: tuple[int, ...], next_sentence: np.ndarray | None
    ) -> tuple[np.ndarray, ...]:
        """The labels of each head. Raises ValueError or TypeError where they are not those that it asks for."""
        config = self.config
        if config.head == "none":
            raise ValueError("the model has no head (head is 'none'), so labels have no loss: use bert(ids)")
        if next_sentence is not None and config.head != "pretraining":
            raise ValueError(f"next_sentence is asked of head 'pretraining' alone, and the head is {config.head!r}")
        if config.head == "classifier":
            return (check_numbers("labels", labels, shape[:1], config.classes),)
        labels = check_numbers("labels", labels, shape, config.words, also=NOT_ASKED)
        if next_sentence is None:
            return (labels,)
        return labels, check_numbers("next_sentence", next_sentence, shape[:1], 2, also=NOT_ASKED)


def check_numbers(
    name: str, value: np.ndarray, shape: tuple[int, ...] | None, end: int, also: int | None = None
) -> np.ndarray:
    """Whole numbers of 0 … end − 1, or `also`, of a shape; (B, N) of any size but 0 where none is given. Raises
    TypeError for others than whole numbers, ValueError for others than these."""
    value = np.asarray(value)
    if value.dtype == bool:
        value = value.astype(np.int64)
    if not np.issubdtype(value.dtype, np.integer):
        raise TypeError(f"{name}: {value.dtype}, expected whole numbers")
    if value.ndim != 2 or not value.size if shape is None else value.shape != shape:
        raise ValueError(f"{name}: shape {value.shape}, expected {'(B, N)' if shape is None else shape}")
    allowed = (value >= 0) & (value < end)
    if also is not None:
        allowed |= value == also
    if (wrong := value[~allowed]).size:
        besides = "" if also is None else f", or {also}"
        raise ValueError(f"{name}: {wrong[0]} among them, expected 0 … {end - 1}{besides}")
    return value
