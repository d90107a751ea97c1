"""BERT: a transformer of words that looks both ways, taught by hiding some (Devlin et al., arXiv 1810.04805).

    e = LN(word[id] + type[segment] + position[0 … N−1])                   embeddings
    y = LN(x + MSA(x)),   x = LN(y + MLP(y))                               block: the norm comes after the sum
    pooled = tanh(x[CLS] W + b);   class logits = pooled W + b             pooler, classifier
    word logits = LN(GELU(x W + b)) wordᵀ + b                              masked words; the table is that of the input
    next sentence = pooled W + b                                           two logits

Short sentences are filled up, and nobody looks at what fills them (ops/key_mask.py). Words are looked up in
ops/embedding.py, the loss is ops/asked_cross_entropy.py. Next: bert_face.py, what one asks of it.
"""

import dataclasses
from dataclasses import dataclass

from ..layers import Chain, Layer, Op, Parameter, Residual, Together, Value
from ..layers.parts import attention, dense, drop, mlp, norm
from ..model.checks import one_of, positive_int, put, put_float, truth, whole_number
from ..model.config import GELUS
from ..model.sizes import size_by_name

HEADS = ("none", "classifier", "masked words", "pretraining")
KEY_MASK, SEGMENTS = "key_mask", "segments"  # given with the words, beside the parameters
STD = 0.02


def _size(width: int, depth: int, heads: int, **options: object) -> dict:
    return dict(width=width, depth=depth, heads=heads, **options)


SIZES = {
    "BERT-base": _size(768, 12, 12),
    "BERT-large": _size(1024, 24, 16),
    "BERT-base-cased": _size(768, 12, 12, words=28_996),
    "BERT-tiny": _size(128, 2, 2),
    "BERT-mini": _size(256, 4, 4),
    "BERT-small": _size(512, 4, 8),
    "BERT-medium": _size(512, 8, 8),
    "MiniLM-L6": _size(384, 6, 12),
}


@dataclass(frozen=True)
class BERTConfig:
    """The architecture of a BERT. NumPy numbers become Python's. Raises ValueError where values do not fit together,
    TypeError where a number is none.

    words              V: rows of the table of words
    positions          the longest sentence, in words
    segments           kinds of segment: which of two sentences a word stands in
    width              D: numbers a word
    depth              L: blocks
    heads              attention heads; they divide the width
    mlp_ratio          numbers a word inside the MLP, by its width
    head               "none", "classifier", "masked words", or "pretraining" (masked words and next sentence)
    classes            K of the classifier, else 0
    pooler             True: what stands for the sentence is made of its first word. A classifier and pre-training need
                       it, masked words alone do not
    padding            the word that fills up short sentences; None: none is known
    gelu               "erf", exact, or "tanh", the approximation
    norm_eps           ε of LayerNorm, added to the variance
    dropout            rate in [0, 1), after the embeddings and at both ends of a block's branches
    attention_dropout  rate in [0, 1), of the attention weights
    head_dropout       rate in [0, 1), before the classifier
    """

    words: int = 30_522
    positions: int = 512
    segments: int = 2
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    head: str = "none"
    classes: int = 0
    pooler: bool = True
    padding: int | None = 0
    gelu: str = "erf"
    norm_eps: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    head_dropout: float = 0.1

    @classmethod
    def from_name(cls, name: str, **changes: object) -> "BERTConfig":
        """A published model's configuration, with `changes`: BERTConfig.from_name("BERT-base", head="pretraining")."""
        return cls(**size_by_name(name, SIZES) | changes)

    def __post_init__(self) -> None:
        put(self, positive_int, "words", "positions", "segments", "width", "depth", "heads")
        put(self, lambda name, value: whole_number(name, value, least=0), "classes")
        one_of("head", self.head, HEADS)
        one_of("gelu", self.gelu, GELUS)
        truth("pooler", self.pooler)
        put_float(self, "a positive number", lambda eps: eps > 0, "norm_eps")
        put_float(self, "a rate in [0, 1)", lambda rate: 0 <= rate < 1, "dropout", "attention_dropout", "head_dropout")
        wide_enough = "a positive number (width · mlp_ratio ≥ 1)"
        put_float(self, wide_enough, lambda ratio: 1 <= self.width * ratio < 2**63, "mlp_ratio")
        if self.padding is not None:
            put(self, lambda name, value: whole_number(name, value, least=0), "padding")
            if self.padding >= self.words:
                raise ValueError(f"padding is word {self.padding}, expected 0 … {self.words - 1}")
        self._check_fit()

    def _check_fit(self) -> None:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not a multiple of {self.heads} heads")
        if (self.head == "classifier") != bool(self.classes):
            raise ValueError(f"head is {self.head!r} and classes {self.classes}: only a classifier has classes")
        if self.head in ("classifier", "pretraining") and not self.pooler:
            raise ValueError(f"head {self.head!r} reads the pooler, but pooler is False")
        if self.head == "masked words" and self.pooler:
            raise ValueError("nothing reads the pooler of head 'masked words': pooler must be False")

    @property
    def parts(self) -> int:
        """Blocks: each has parameters of its own."""
        return self.depth

    @property
    def summary(self) -> str:
        return f"{self.width} wide, {self.depth} blocks, {self.heads} heads, {self.words:,} words"

    def to_dict(self) -> dict:
        """For JSON; `BERTConfig(**d)` is the way back."""
        return dataclasses.asdict(self)


def bert(config: BERTConfig) -> Chain:
    """ids (B, N), with key_mask (B, 1, 1, N) and segments (B, N) -> what the heads say."""
    return Chain(embeddings(config), encoder(config), heads(config))


def embeddings(config: BERTConfig) -> Chain:
    """ids (B, N) -> e, normalised (B, N, D)."""
    D = config.width
    words, types, positions = (
        Parameter(f"{name}_embed.weight", (rows, D), std=STD)
        for name, rows in (("word", config.words), ("type", config.segments), ("pos", config.positions))
    )
    return Chain(
        Op("embedding", words, padding=config.padding),  # (B, N, D)
        Op("add_embedding", types, SEGMENTS),
        Op("add_first_rows", positions),
        norm("embed_norm", D, config.norm_eps),
    )


def encoder(config: BERTConfig) -> Chain:
    """e -> x (B, N, D). There is no norm in the end: every block's last step is one."""
    return Chain(*drop(config.dropout), *(block(config, f"blocks.{i}") for i in range(config.depth)))


def block(config: BERTConfig, name: str) -> Chain:
    """y = LN(x + MSA(x)),   LN(y + MLP(y)): post-norm.   (B, N, D) -> (B, N, D)"""
    D, eps, end = config.width, config.norm_eps, drop(config.dropout)
    mask = Value(KEY_MASK, held=True)
    attend = attention(f"{name}.attn", D, config.heads, dropout=config.attention_dropout, bias=mask)
    return Chain(
        Residual(attend, *end),
        norm(f"{name}.norm1", D, eps),
        Residual(mlp(f"{name}.mlp", D, int(D * config.mlp_ratio), config.gelu), *end),
        norm(f"{name}.norm2", D, eps),
    )


def heads(config: BERTConfig) -> Layer:
    """x (B, N, D) -> tokens and pooled; or class logits (B, K); word logits (B, N, V); word logits and those of the
    next sentence (B, 2)."""
    D = config.width
    pooler = Chain(Op("pool", kind="cls"), dense("pooler", D, D), Op("tanh"))  # (B, D)
    if config.head == "none":
        return Together(Chain(), pooler) if config.pooler else Chain()
    if config.head == "classifier":
        return Chain(pooler, *drop(config.head_dropout), dense("head", D, config.classes, fan_in=False))
    words = Chain(
        dense("word_head.fc", D, D),
        Op("gelu", kind=config.gelu),
        norm("word_head.norm", D, config.norm_eps),
        Op("unembed", "word_embed.weight", Parameter("word_head.bias", (config.words,))),  # (B, N, V)
    )
    return words if config.head == "masked words" else Together(words, Chain(pooler, dense("pair_head", D, 2)))
