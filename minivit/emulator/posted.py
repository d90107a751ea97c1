"""Files as they are posted, with code for the host: `kernel<<<grid, block>>>(x, n);` made a call that C++ knows."""

import re
from collections.abc import Iterable

from .errors import CompileError
from .source import without_comments

_MAIN = re.compile(r"\bmain\s*\([^;{}]*\)\s*(?:->\s*int\s*)?(?:try\s*)?\{")
_OPEN = re.compile(r"(?<!<)<<\s*<(?!<)")  # some editors put a space between
_CLOSE = re.compile(r">>\s*>(?!>)")
_NAME = re.compile(r"(?:(?:::)?\s*[A-Za-z_]\w*\s*)(?:::\s*[A-Za-z_]\w*\s*)*$")
_OF_THE_HOST = re.compile(r"\bcuda[A-Z]\w+\s*\(|\b(?:rand|srand|exit|fopen)\s*\(|\bstd::(?:vector|cout|string)\b")


def has_main(code: str) -> bool:
    return bool(_MAIN.search(without_comments(code)))


def has_host_code(code: str) -> bool:
    """Whether a text has what only a host runs: a launch, a call of CUDA's runtime, one that no kernel has, main."""
    bare = without_comments(code)
    return bool(_OPEN.search(bare)) or bool(_OF_THE_HOST.search(bare)) or bool(_MAIN.search(bare))


def with_launches(source: str) -> str:
    """The source with every `name<<<a, b, c, d>>>(x)` as `emulator_launch(emulator_grid(a, b, c, d), …)(x)`.

    The lines stay where they are. Raises CompileError where the brackets do not close.
    """
    bare, parts, done = without_comments(source), [], 0
    for opened in re.finditer(_OPEN, bare):
        start = opened.start()
        if start < done:
            continue
        first = _name_before(bare, start, done)
        first += len(source[first:start]) - len(source[first:start].lstrip())
        end, after = _closing(bare, opened.end())
        name, how = source[first:start].strip(), source[opened.end() : end]
        lost = "\n" * source.count("\n", first, start)
        parts += [
            source[done:first],
            f"emulator_launch(emulator_grid({how}), {_quoted(name)}, [&](auto... emulator_a) "
            f"{{ {name}(emulator_a...); }}){'' if name.count(chr(10)) else lost}",
        ]
        done = after
    return "".join([*parts, source[done:]])


def with_addresses(source: str, kernels: Iterable[str]) -> str:
    """The source with every kernel's address that is made a `void*` noted, so that its type is found again."""
    names = "|".join(map(re.escape, kernels))
    if not names:
        return source
    kernel = rf"&?\s*((?:\w+::)*(?:{names})\b(?:\s*<[^;()]*?>)?)"
    cast = rf"\(\s*(?:const\s+)?void\s*\*\s*\)\s*(?:\(\s*{kernel}\s*\)|{kernel})"
    cast += rf"|\breinterpret_cast\s*<\s*(?:const\s+)?void\s*(?:const\s*)?\*\s*>\s*\(\s*{kernel}\s*\)"
    return re.sub(cast, lambda match: _noted(next(filter(None, match.groups())), match[0]), source)


def _noted(name: str, text: str) -> str:
    return f"emulator_address({_quoted(name)}, {name})" + "\n" * (text.count("\n") - name.count("\n"))


def _name_before(bare: str, start: int, done: int) -> int:
    """Where the name in front of <<< begins: `add`, `ns::add<float, 4>`, `table[i]`, `(*f)`."""
    at = len(bare[:start].rstrip())
    while at > done and bare[at - 1] in ">])":
        opening, depth = {">": "<", "]": "[", ")": "("}[bare[at - 1]], 0
        closing = bare[at - 1]
        while at > done:
            at -= 1
            depth += (bare[at] == closing) - (bare[at] == opening)
            if depth == 0:
                break
        at = len(bare[:at].rstrip())
        if opening == "(":
            return at
    match = _NAME.search(bare[done:at])
    if not match:
        raise CompileError(f"line {bare.count(chr(10), 0, start) + 1}: no kernel stands before <<<")
    found = done + match.start()
    words = re.match(r"(?:return|else|do)\b\s*", bare[found:at])  # what may stand before a launch
    return found + (words.end() if words else 0)


def _closing(bare: str, start: int) -> tuple[int, int]:
    """Where the >>> begins and ends."""
    depth = 0
    for at in range(start, len(bare)):
        depth += (bare[at] in "([{") - (bare[at] in ")]}")
        if depth == 0 and (closed := _CLOSE.match(bare, at)):
            return at, closed.end()
        if bare[at] == ";" and depth <= 0:
            break
    raise CompileError(f"line {bare.count(chr(10), 0, start) + 1}: <<< is never closed by >>>")


def _quoted(name: str) -> str:
    return '"' + re.sub(r"\s+", " ", name).replace("\\", "\\\\").replace('"', '\\"') + '"'
