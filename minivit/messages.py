"""What is said to people: names that were meant, values cut short, errors in words, letters that a terminal has."""

import codecs
import difflib
import errno
import os
import re
import sys
from collections.abc import Iterable
from typing import TextIO

MEANT = {"gpu": "cuda"}  # names that many say, and that are not spelt like what is meant
LONGEST = 80  # letters of something that somebody gave; who sent more knows what it was

# What a terminal without these letters is shown instead (Windows' code pages, the C locale).
SPELT = {
    "Δ": "error", "∂": "d", "α": "alpha", "β": "beta", "γ": "gamma", "ε": "eps", "λ": "lambda", "μ": "mu", "σ": "sigma",
    "√": "sqrt", "≤": "<=", "≥": ">=", "≈": "~", "−": "-", "–": "-", "×": "x", "·": "*", "±": "+-", "²": "^2",
    "³": "^3", "…": "...", "→": "->", "“": '"', "”": '"', "‘": "'", "’": "'", "█": "#", "░": ".", "▒": "+",
}  # fmt: skip


def _spelt(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(SPELT.get(letter, "?") for letter in error.object[error.start : error.end]), error.end


codecs.register_error("minivit.spelt", _spelt)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line to `stream` (standard output if not given), spelt in letters that it has. No stream, no line."""
    stream = stream or sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "minivit.spelt").decode(encoding), file=stream, flush=True)


def short(value: object, longest: int = LONGEST) -> str:
    """repr(value), of which no more than `longest` letters: an error need not repeat a whole file."""
    if isinstance(value, int) and abs(value) >= 10**longest:  # before it is written out: that may take for ever
        return f"{'-' * (value < 0)}a number of more than {longest} digits"
    if isinstance(value, str | bytes | list | tuple) and len(value) > longest:
        return f"{value[: longest // 2]!r} … ({len(value):,} in all)"[: 2 * longest]
    text = repr(value)
    return text if len(text) <= longest else f"{text[: longest - 2]} …"


def brief(text: str) -> str:
    """A message without the endless words and lines that somebody's input may have brought into it."""
    text = re.sub(r"\S{300,}", lambda word: f"{word[0][:60]}… ({len(word[0]):,} letters)", text)
    return text if len(text) <= 4000 else f"{text[:4000]} …"


def choices(given: object, names: Iterable[str], more: str = "") -> str:
    """'expected one of …', for a message about a name that is none; and what was meant, where that can be guessed."""
    names = [str(name) for name in names]
    said = f"expected one of {', '.join([*map(repr, names), *filter(None, [more])])}"
    meant = near(given, names)
    return f"{said}; did you mean {meant!r}?" if meant else said


def near(given: object, names: Iterable[str]) -> str | None:
    """The name that was probably meant, or None."""
    if not isinstance(given, str) or len(given) > LONGEST:
        return None
    by_small = {name.lower(): name for name in names}
    if (meant := MEANT.get(given.lower())) in by_small:
        return by_small[meant]
    found = difflib.get_close_matches(given.lower(), by_small, n=1)
    return by_small[found[0]] if found else None


def in_words(error: OSError) -> str:
    """What the system says of a file, as a sentence without its number."""
    if error.errno is None or error.strerror is None:  # one of ours
        return str(error)
    at = error.filename2 or error.filename
    name = "the file" if at is None else os.fsdecode(at) if isinstance(at, str | bytes) else str(at)
    sentence = _SENTENCES.get(error.errno)
    return sentence.format(name) if sentence else f"{name}: {error.strerror[0].lower()}{error.strerror[1:]}"


_SENTENCES = {
    errno.ENOENT: "{} does not exist",
    errno.EACCES: "{} may not be opened: its permissions forbid it",
    errno.EPERM: "{}: the system does not permit it",
    errno.EISDIR: "{} is a folder, expected a file",
    errno.ENOTDIR: "{} cannot be reached: a part of its path is a file, not a folder",
    errno.EEXIST: "{} exists already",
    errno.ENOSPC: "the disk is full: {} could not be written. Free some room, or choose another folder",
    errno.EDQUOT: "your share of the disk is full: {} could not be written. Free some room, or choose another folder",
    errno.EFBIG: "{} would be larger than the system permits",
    errno.EROFS: "{} lies on a disk that can only be read: choose another folder",
    errno.ENAMETOOLONG: "the name is too long for a file",
    errno.EMFILE: "too many files are open in this process: raise the limit (ulimit -n)",
    errno.ENOMEM: "there is not enough memory",
    errno.ELOOP: "{} is a link that leads back to itself",
    errno.EIO: "{} could not be read or written: the disk reports an error",
}
