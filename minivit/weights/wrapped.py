"""Names inside wrappers: module.backbone.blocks.0.…, as training scripts save them, are seen through.

What DataParallel, Lightning, a teacher and a student or a segmentation model put before a model's own names is taken
off, and what is not the model's is left out; a warning says both.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Mapping

from .tensor import Tensor

# Words before the names of a whole file, which change nothing: of PyTorch, of training scripts, of safetensors'.
WRAPPERS = (
    "module", "model", "backbone", "encoder", "student", "teacher", "state_dict", "_orig_mod", "net", "network",
    "params", "ema", "model_ema", "pretrained", "base_model", "image_encoder", "trunk", "visual", "feature_extractor",
)  # fmt: skip
PREFERRED = ("teacher", "ema", "model_ema", "params_ema", "momentum_encoder")  # averages, which are what is evaluated
DEPTH = 5  # words in a prefix
FEWEST = 8  # tensors in a model

Whose = Callable[[Mapping[str, Tensor]], object]  # None, or ValueError, where nobody knows the names


def unwrapped(tensors: Mapping[str, Tensor], whose: Whose) -> tuple[str, dict[str, Tensor]]:
    """The prefix of a model's names, "" where they have none, and its tensors without it.

    whose: tells whether names are a known model's. Of several models in the file an average is preferred (a teacher's),
    else the one with most tensors. Where nothing is known, the names come back as they are.
    """
    prefix, names = "", dict(tensors)
    while (words := {name.partition(".")[0] for name in names if "." in name}) and len(words) == 1:
        (word,) = words
        if word not in WRAPPERS or len(names) != sum("." in name for name in names):
            break
        prefix, names = f"{prefix}{word}.", _below(names, f"{word}.")
    if _known(names, whose):
        return prefix, names
    for inner in _prefixes(names):
        inside = _below(names, inner)
        if _known(inside, whose):
            _warn(prefix + inner, [prefix + name for name in names if not name.startswith(inner)])
            return prefix + inner, inside
    return "", dict(tensors)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _known(tensors: Mapping[str, Tensor], whose: Whose) -> bool:
    try:
        return whose(tensors) is not None
    except ValueError:  # of names that look like a model's, and are not complete
        return False


def _prefixes(names: Mapping[str, Tensor]) -> list[str]:
    """What may stand before a model's names, the likeliest first."""
    found: Counter[str] = Counter()
    for name in names:
        words = name.split(".")[:-1][:DEPTH]
        for count in range(1, len(words) + 1):
            if words[count - 1].isdecimal():
                break
            found[".".join(words[:count]) + "."] += 1
    likely = [(prefix, number) for prefix, number in found.items() if number >= FEWEST]
    average = {prefix: any(word in PREFERRED for word in prefix.split(".")) for prefix, _ in likely}
    return [prefix for prefix, number in sorted(likely, key=lambda one: (-average[one[0]], -one[1], len(one[0])))][:64]


def _warn(prefix: str, others: list[str]) -> None:
    if others:
        kinds = sorted({name[: len(prefix)].split(".")[0] for name in others})
        text = f"the model was found under the prefix {prefix!r}; {len(others)} other tensors are left out"
        warnings.warn(f"{text}: {', '.join(others[:3])} … ({', '.join(kinds[:5])})", stacklevel=5)
