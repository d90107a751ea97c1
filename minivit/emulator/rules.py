"""What NVIDIA's compiler refuses and an ordinary C++ compiler takes: found in the text, as far as it tells.

A kernel may call __device__ functions only, and see no variable of the host; __shared__ variables are not initialised.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .errors import CompileError
from .includes import reached
from .source import place_of_line, without_comments
from .unsupported import find_unsupported

_TRANSPARENT = re.compile(
    r'^\s*(?:inline\s+)?namespace\b|^\s*extern\b\s*(?:""|" *")?\s*$|\b(?:struct|class|union)\b[^()=]*$'
)
_SHARED = re.compile(r"(?<!extern )\b__shared__\b(?!\s+(?:struct|union)\s*\w*\s*\{)([^;(){}=]*)(=|\{)")
_INSIDE = re.compile(r"(?<!\])\s\b(__device__|__constant__)\s+(?!__)[\w:<>\s]+?\s\*?\w+\s*(?:[=;]|\[)")
_NO_VARIABLE = re.compile(
    r"__device__|__constant__|__managed__|__shared__|\b(?:constexpr|const|extern|typedef|using|friend|template|enum"
    r"|static_assert|asm|namespace|operator|return|goto)\b"
)
_VARIABLE = re.compile(
    r"(?:(?:static|volatile|unsigned|long|struct)\s+)*[A-Za-z_][\w:]*(?:\s*<[^;()]*>)?[\s*&]+(\w+)"
    r"\s*(?:\[[^\]]*\]\s*)*(?:=.*|\{.*)?", re.DOTALL
)  # fmt: skip
_NOT_A_NAME = frozenset(
    [
        "if",
        "for",
        "while",
        "switch",
        "return",
        "sizeof",
        "catch",
        "defined",
        "alignas",
        "decltype",
        "noexcept",
        "operator",
    ]
)


@dataclass(frozen=True)
class _Function:
    name: str
    head: str
    start: int  # of its body in the text
    end: int
    method: bool

    @property
    def on_device(self) -> bool:
        return "__global__" in self.head or "__device__" in self.head

    @property
    def anywhere(self) -> bool:
        """Whether a kernel may call it."""
        return "__device__" in self.head or "constexpr" in self.head


def check_rules(text: str) -> None:
    """Raise CompileError, naming the line, for the first thing in a flattened text that no GPU's compiler takes."""
    there = "\n".join(" " * len(line) if is_there is False else line for line, is_there in reached(text))
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", _blank, without_comments(there), flags=re.MULTILINE)
    for at, message in find_unsupported(code):
        raise _error(text, at, message)
    functions, variables = [], {}
    for kind, head, start, end in _declarations(code):
        if kind != "variable":
            name = re.search(r"([~\w]+)\s*(?:<[^()]*>)?\s*\(", _attributes_out(head))
            if name and name[1] not in _NOT_A_NAME:
                functions.append(_Function(name[1], head, start, end, kind == "method"))
        elif host_name := _host_variable(head):
            variables[host_name] = start
    callable_there = {f.name for f in functions if f.anywhere}
    of_the_host = {f.name for f in functions if not f.on_device and not f.method} - callable_there
    for function in functions:
        if function.on_device:
            _check_body(text, code, function, of_the_host, variables)


def _check_body(text: str, code: str, function: _Function, of_the_host: set[str], variables: dict[str, int]) -> None:
    body, at = code[function.start : function.end], function.start
    if match := _SHARED.search(body):
        raise _error(text, at + match.start(), "a __shared__ variable cannot be initialised: let one thread set it, "
                     "then __syncthreads()")  # fmt: skip
    if match := _INSIDE.search(body):
        raise _error(text, at + match.start(1), f"a {match[1]} variable stands outside of all functions")
    match = None if "__host__" in function.head else re.search(r"\bcuda(?:Device|Thread)Synchronize\s*\(", body)
    if match:
        raise _error(text, at + match.start(), "since CUDA 12 a kernel cannot wait for what it has launched: launch "
                     "the rest from there, into cudaStreamTailLaunch, or from the host")  # fmt: skip
    for match in re.finditer(r"(?<![\w.>:~])(\w+)\s*(?:<[^;(){}]*>)?\s*\(", body):
        if match[1] in of_the_host and not _declared(function.head + body[: match.end(1)], match[1]):
            raise _error(text, at + match.start(), f"{match[1]} is a function of the host: a kernel calls what has "
                         "__device__ before it")  # fmt: skip
    for match in re.finditer(r"(?<![\w.>:])(\w+)\b", body):
        if match[1] in variables and not _declared(function.head + body[: match.end(1)], match[1]):
            raise _error(text, at + match.start(), f"{match[1]} is a variable of the host: a kernel sees what has "
                         "__device__ or __constant__ before it, or is handed to it")  # fmt: skip


def _declared(text: str, name: str) -> bool:
    """Whether a name was given anew by then, as a parameter or a local variable: `int name`, `float *a, *name`."""
    kind = (
        r"(?:^|[;{}(,])\s*(?:(?:const|unsigned|signed|long|volatile|static|register|__restrict__)\s+)*(?!return|else)"
    )
    kind += r"[A-Za-z_][\w:]*(?:\s*<[^;{}]*>)?(?:\s+(?:const|int|long|short|char|double))*[\s*&]+(?:__restrict__\s+)?"
    return bool(re.search(rf"{kind}(?:\w[^;{{}}]*,[\s*&]*)?{name}\b", text))


def _host_variable(head: str) -> str | None:
    """The name, if a declaration outside of all functions is a variable that only the host has."""
    head = head.strip()
    match = _VARIABLE.fullmatch(head)
    return match[1] if match and not _NO_VARIABLE.search(head) else None


def _declarations(code: str) -> Iterator[tuple[str, str, int, int]]:
    """(kind, its text up to the { or ;, where its body begins and ends) outside of all functions."""
    at = begin = class_end = 0  # until where members are declared
    while at < len(code):
        character = code[at]
        if character == ";":
            if at >= class_end:
                yield "variable", code[begin:at], begin, at
            begin = at + 1
        elif character == "}":
            begin = at + 1
        elif character == "{":
            head = code[begin:at]
            head_alone = re.sub(r"\btemplate\s*<[^{}]*?>", "", head)
            if _TRANSPARENT.search(head_alone):
                if not re.search(r"\bnamespace\b|\bextern\b", head_alone):
                    class_end = max(class_end, _end_of(code, at))
                begin = at + 1
            else:
                end = _end_of(code, at)
                is_function = "(" in head and not re.search(r"=\s*$|\benum\b", head)
                if is_function:
                    yield "method" if at < class_end else "function", head, at, end
                    begin = end
                at = end - 1
        at += 1


def _end_of(code: str, start: int) -> int:
    depth = 0
    for match in re.finditer(r"[{}]", code[start:]):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return start + match.end()
    return len(code)


def _attributes_out(head: str) -> str:
    head = re.sub(
        r"\b(?:__launch_bounds__|__maxnreg__|__align__|alignas|__attribute__)\s*\((?:[^()]|\([^()]*\))*\)", " ", head
    )
    return re.sub(r"\btemplate\s*<(?:[^<>]|<[^<>]*>)*>", " ", head)


def _blank(match: re.Match) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _error(text: str, at: int, message: str) -> CompileError:
    number = text.count("\n", 0, at)
    place = place_of_line(text, number)
    line = text.split("\n")[number].strip()
    return CompileError(f"{place[0]}:{place[1]}: {message}.\n    {line}")
