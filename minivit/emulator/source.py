"""CUDA source as text: headers put in their place, kernels and their parameters found by name."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import ordinary
from .errors import CompileError

LARGEST = 1 << 24  # bytes

_INCLUDE = re.compile(r'\s*#\s*include\s*"([^"]+)"')
_SYSTEM_INCLUDE = re.compile(r"\s*#\s*include\s*<([^>]*)>")
_PRAGMA_ONCE = re.compile(r"\s*#\s*pragma\s+once\b")
_LINE = re.compile(r'#line (\d+) "([^"]*)"')
_COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_DYNAMIC_SHARED = re.compile(r"\bextern\b[^;{}()]*?\b__shared__\b[^;{}]*?\b(\w+)\s*\[\s*\]")
_ONE_CALL = re.compile(
    r"\b__global__\b[^;{]*\{(\s*(?!(?:if|for|while)\b)\w+\s*(?:<[^;{}()]*>)?\s*\([^;{}]*\)\s*;\s*)\}"
)
_DECORATION = re.compile(
    r"\b(?:__launch_bounds__|__maxnreg__|__align__|alignas|__attribute__)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)"
)


@dataclass(frozen=True)
class KernelText:
    """What a file says of one of its kernels: its name, whether it is a template, and its parameters' names."""

    name: str
    template: bool
    parameters: tuple[str, ...]


def read_source(path: str | os.PathLike) -> str:
    """A file of source. Raises ValueError for what is none: a pipe, a device, a file that is too large or no text."""
    path = ordinary(path)
    if path.is_file() and path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, expected at most {LARGEST:,} of a file of source")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8: its byte {error.start:,} is none of a letter") from error


def flatten(path: str | os.PathLike, include: Sequence[str | os.PathLike] = ()) -> str:
    """The file at `path` with each `#include "header"` replaced by that header, once: one text for every compiler.

    Headers are looked for beside the file that includes them, then in the folders of `include`. `#line` lets a
    compiler's messages name the files as they lie there, relative to the folder of `path`.
    Raises FileNotFoundError, naming the line, where a header is missing.
    """
    path = Path(path)
    return _flatten(read_source(path), path.name, path.parent, [Path(i) for i in include], {path.resolve()})


def flatten_text(text: str, name: str, include: Sequence[str | os.PathLike] = ()) -> str:
    """Like flatten, for source that is no file: headers are looked for in `include` only."""
    return _flatten(text, name, None, [Path(i) for i in include], set())


def _flatten(text: str, name: str, folder: Path | None, include: list[Path], seen: set[Path]) -> str:
    lines = [f'#line 1 "{name}"']
    for number, line in enumerate(text.splitlines(), 1):
        match = _INCLUDE.match(line)
        if match:
            header = _find_header(match[1], [*([folder] if folder else []), *include], f"{name}:{number}")
            if header not in seen:
                seen.add(header)
                shown = (Path(name).parent / match[1]).as_posix()
                lines.append(_flatten(read_source(header), shown, header.parent, include, seen))
            lines.append(f'#line {number + 1} "{name}"')
        else:
            lines.append("" if _PRAGMA_ONCE.match(line) else line)
    return "\n".join(lines) + "\n"


def _find_header(header: str, folders: list[Path], where: str) -> Path:
    for folder in folders:
        if (folder / header).is_file():
            return (folder / header).resolve()
    looked = ", ".join(str(folder) for folder in folders) or "no folder: give Module(..., include=[folder])"
    raise FileNotFoundError(f'{where}: there is no header "{header}"; looked in {looked}')


def in_ascii(text: str) -> str:
    r"""The same source for who writes it to a file in the machine's own encoding, as CuPy does.

    What is no ASCII becomes its bytes as C++ writes them in a quoted text, σ as \317\203; a comment may say anything.
    """
    return re.sub(r"[^\x00-\x7f]", lambda match: "".join(rf"\{byte:03o}" for byte in match[0].encode()), text)


def refuse_system_headers(text: str) -> None:
    """Raise CompileError for `#include <...>`."""
    for (file, line), content in source_lines(text).items():
        header = _SYSTEM_INCLUDE.match(content)
        if not header:
            continue
        if (
            re.match(r"(cuda|cooperative|mma|cub|thrust|curand|cutlass|cute|nv)", header[1])
            and "runtime" not in header[1]
        ):
            why = "the emulator has none of CUDA's own headers: 16-bit numbers, tensor cores, cooperative groups, cub"
        else:
            why = (
                "NVRTC has no headers of the system. Take the line out: what CUDA knows (threadIdx, expf, float4, "
                "printf, size_t) is there without it. main() and its <<<launch>>> are written in Python"
            )
        raise CompileError(f"{file}:{line}: #include <{header[1]}>: {why}.")


def source_lines(text: str) -> dict[tuple[str, int], str]:
    """The lines of a flattened text by file and number."""
    lines = zip(_places(text), text.splitlines(), strict=True)
    return {place: line for place, line in lines if place}


def lines_of_one_call(text: str) -> frozenset[tuple[str, int]]:
    """Where a kernel is a single call, and no more: the lines of that. What it calls then counts as the kernel."""
    code, places = without_comments(text), _places(text)
    bodies = [[code.count("\n", 0, at) for at in match.span(1)] for match in _ONE_CALL.finditer(code)]
    return frozenset(place for first, last in bodies for place in places[first : last + 1] if place)


def _places(text: str) -> list[tuple[str, int] | None]:
    """Of each line of a flattened text, its file and number there; None of a #line itself."""
    places, file, number = [], "", 0
    for line in text.splitlines():
        match = _LINE.match(line)
        if match:
            number, file = int(match[1]), match[2]
        places.append(None if match else (file, number))
        number += not match
    return places


def without_comments(text: str) -> str:
    """The text with comments and quoted texts made blank; nothing else moves."""
    return _COMMENT_OR_TEXT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def dynamic_shared_names(text: str) -> list[str]:
    """The names by which the file declares dynamic shared memory: `extern __shared__ float tile[];`."""
    return sorted(set(_DYNAMIC_SHARED.findall(without_comments(text))))


def find_kernels(text: str) -> dict[str, KernelText]:
    """The kernels that a file defines, as far as can be read off its text."""
    code = re.sub(r"^[ \t]*#[^\n]*", "", without_comments(text), flags=re.MULTILINE)
    kernels = {}
    for match in re.finditer(r"\b__global__\b", code):
        before = code[: match.start()]
        before = before[max(before.rfind(mark) for mark in ";{}") + 1 :]  # the declaration's beginning
        head = _DECORATION.sub(" ", code[match.end() :].split("{")[0].split(";")[0])
        found = re.search(r"(\w+)\s*\((.*)\)", head, re.DOTALL)
        if found:
            parameters = tuple(_parameter_name(text) for text in _split(found[2]) if text.strip() not in ("", "void"))
            kernels.setdefault(found[1], KernelText(found[1], "template" in before, parameters))
    return kernels


def _split(parameters: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in parameters:
        depth += (character in "<([") - (character in ">)]")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _parameter_name(declaration: str) -> str:
    words = re.findall(r"\w+", declaration.split("=")[0].split("[")[0])
    return words[-1] if words else "?"
