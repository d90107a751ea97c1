"""Words for BERT: a published model's tokenizer.json, read by the `tokenizers` library (the extra `text`)."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np


class Words:
    """`words(texts)` gives what a BERT is asked: ids, mask and segments. `words.pieces(ids)` is for people.

    path: a tokenizer.json, or the folder that holds it. longest: in words, [CLS] and [SEP] among them; the rest of a
    longer text is cut off. What the file itself says of padding and cutting is not heeded.
    Raises ImportError without the library, FileNotFoundError, ValueError for another file.
    """

    def __init__(self, path: str | os.PathLike, longest: int = 256) -> None:
        try:
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ImportError("words are cut by the tokenizers library: pip install 'minivit[text]'") from error
        path = Path(path) / "tokenizer.json" if Path(path).is_dir() else Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path} does not exist: expected a tokenizer.json")
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing more precise
            raise ValueError(f"{path} cannot be read: {error}") from error
        self._tokenizer.enable_padding()  # to the longest of the texts
        self._tokenizer.enable_truncation(longest)

    def __call__(
        self, texts: Sequence[str], seconds: Sequence[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Texts, or pairs of them -> ids, mask (1 for a word, 0 for what fills up) and segments, (B, N) each."""
        if isinstance(texts, str) or isinstance(seconds, str):
            raise TypeError("expected a list of texts: for one text use [text]")
        pairs = list(texts) if seconds is None else list(zip(texts, seconds, strict=True))
        found = self._tokenizer.encode_batch(pairs)
        ids, mask, segments = ([getattr(one, name) for one in found] for name in ("ids", "attention_mask", "type_ids"))
        return np.array(ids), np.array(mask), np.array(segments)

    def hide(self, ids: np.ndarray, rng: np.random.Generator, part: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
        """BERT's exercise: ids (B, N) with some words hidden, and labels (B, N), those words, −100 where none is asked.

        Of the words ([CLS], [SEP] and padding are none) that `part` says are asked, 80 % become [MASK], 10 % any other
        word, and 10 % stay as they are, so that the model cannot rely on what it sees (arXiv 1810.04805, 3.1).
        """
        special = [i for i, token in self._tokenizer.get_added_tokens_decoder().items() if token.special]
        asked = (rng.random(ids.shape) < part) & ~np.isin(ids, special)
        how = rng.random(ids.shape)
        other = rng.integers(0, self._tokenizer.get_vocab_size(), ids.shape)
        seen = np.where(how < 0.8, self._tokenizer.token_to_id("[MASK]"), np.where(how < 0.9, other, ids))
        return np.where(asked, seen, ids), np.where(asked, ids, -100)

    def pieces(self, ids: np.ndarray) -> list[str]:
        """The words of one sentence, (N,), as they stand in the vocabulary."""
        return [self._tokenizer.id_to_token(int(i)) for i in ids]
