"""CUDA source as text: kernels and their parameters found by name. includes.py puts its headers in their place."""

import re
from dataclasses import dataclass

_LINE = re.compile(r'#line (\d+) "([^"]*)"')
_COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
_DYNAMIC_SHARED = re.compile(r"\bextern\b[^;{}()]*?\b__shared__\b[^;{}]*?\b(\w+)\s*\[\s*\]")
_VARIABLES = re.compile(  # what stands before the names, and the names up to the ;
    r"\b(?:__device__|__constant__|__managed__)\b((?:\s|\b(?:__\w+__|static|const|volatile|unsigned|signed|struct)\b"
    r"|__align__\([^)]*\))*\w[\w:]*(?:<[^;{}()]*>)?(?:\s+(?:long|int|short|char|double|const))*)[\s*&]+(\w[^;(){}]*(?:\{[^;]*)?);"
)
_ONE_CALL = re.compile(
    r"\b__global__\b[^;{]*\{((?:\s*using\b[^;{}]*;)*"
    r"\s*(?!(?:if|for|while)\b)\w+\s*(?:<[^;{}()]*>)?\s*\([^;{}]*\)\s*;\s*)\}"
)
_DECORATION = re.compile(
    r"\b(?:__launch_bounds__|__maxnreg__|__align__|alignas|__attribute__)\s*\([^()]*(?:\([^()]*\)[^()]*)*\)"
)


@dataclass(frozen=True)
class KernelText:
    """What a file says of one of its kernels: its name, whether it is a template, its parameters' names, and which of
    them are pointers."""

    name: str
    template: bool
    parameters: tuple[str, ...]
    pointers: tuple[bool, ...]


@dataclass(frozen=True)
class VariableText:
    """What a file says of a variable of its own: its name, is it __constant__, does it start as something?"""

    name: str
    constant: bool
    initialised: bool


def find_variables(text: str) -> tuple[VariableText, ...]:
    """The __device__, __constant__ and __managed__ variables that a file declares."""
    code = re.sub(r"^[ \t]*#[^\n]*", "", without_comments(text), flags=re.MULTILINE)
    found = {}
    for match in _VARIABLES.finditer(code):
        for part in split(match[2]):
            name = re.match(r"[\s*&]*(\w+)\s*(?:\[[^\]]*\]\s*)*(=|\{|$)", part)
            if name:
                constant = "__constant__" in match[0]
                found[name[1]] = VariableText(name[1], constant, bool(name[2]))
    return tuple(found.values())


def in_ascii(text: str) -> str:
    r"""The same source for who writes it to a file in the machine's own encoding, as CuPy does.

    What is no ASCII becomes its bytes as C++ writes them in a quoted text, σ as \317\203; a comment may say anything.
    """
    return re.sub(r"[^\x00-\x7f]", lambda match: "".join(rf"\{byte:03o}" for byte in match[0].encode()), text)


def source_lines(text: str) -> dict[tuple[str, int], str]:
    """The lines of a flattened text by file and number."""
    lines = zip(_places(text), text.splitlines(), strict=True)
    return {place: line for place, line in lines if place}


def place_of_line(text: str, number: int) -> tuple[str, int]:
    """The file, and the line there, of a line of a flattened text (from 0)."""
    return _places(text)[number] or ("", 0)


def lines_of_one_call(text: str) -> frozenset[tuple[str, int]]:
    """Where a kernel is one call, after names for types: the lines of that. What it calls then counts as the kernel."""
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


def with_one_dynamic_array(source: str) -> str:
    """The source where every declaration of dynamic shared memory says itself which array it means: for macOS, whose
    thread-local variables take no second name afterwards."""
    parts, done = [], 0
    for match in _DYNAMIC_SHARED.finditer(without_comments(source)):
        declared = source[match.start() : match.end()].replace("__shared__", "__thread")
        parts += [source[done : match.start()], declared, ' __asm__(EMULATOR_SYMBOL("emulator_dynamic_shared"))']
        done = match.end()
    return "".join([*parts, source[done:]])


def find_kernels(text: str) -> dict[str, KernelText]:
    """The kernels that a file defines, as far as can be read off its text."""
    code = re.sub(r"^[ \t]*#[^\n]*", "", without_comments(text), flags=re.MULTILINE)
    kernels = {}
    for match in re.finditer(r"\b__global__\b", code):
        before = code[: match.start()]
        before = before[max(before.rfind(mark) for mark in ";{}") + 1 :]  # the declaration's beginning
        end = re.search(r"[;{]", code[match.end() :])
        defined = bool(end) and end[0] == "{"
        head = _DECORATION.sub(" ", code[match.end() :][: end.start() if end else None])
        found = re.search(r"(\w+)\s*\((.*)\)", head, re.DOTALL)
        if found:
            parts = _parameters(found[2])
            if defined or found[1] not in kernels:  # a declaration may leave the names out
                pointers = tuple("*" in part or "[" in part for part in parts)
                names = tuple(map(_parameter_name, parts))
                kernels[found[1]] = KernelText(found[1], "template" in before, names, pointers)
    return kernels


def find_functions(text: str) -> dict[str, tuple[str, ...]]:
    """The functions of the host that return nothing, `void name(...) {`: the names of each one's parameters."""
    code = re.sub(r"^[ \t]*#[^\n]*", "", without_comments(text), flags=re.MULTILINE)
    found = re.finditer(r"([^;{}]*)\bvoid\s+(\w+)\s*\(([^;{}]*)\)\s*\{", code)
    return {
        match[2]: tuple(map(_parameter_name, _parameters(match[3])))
        for match in found
        if not re.search(r"__global__|__device__|\btemplate\b", match[1])
    }


def _parameters(text: str) -> list[str]:
    return [part for part in split(text) if part.strip() not in ("", "void")]


def split(text: str, opening: str = "<([", closing: str = ">)]") -> list[str]:
    """Split at the commas that stand in no brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in opening) - (character in closing)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _parameter_name(declaration: str) -> str:
    words = re.findall(r"\w+", declaration.split("=")[0].split("[")[0])
    return words[-1] if words else "?"
