"""PTX read into data: its variables, its functions, and the statements of each.

PTX is text: `add.s32 %r3, %r1, %r2;` adds two registers. NVIDIA's "Parallel Thread Execution ISA" describes it whole.
translate.py turns what is read here into C++; instructions.py and threads.py know what they do.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..errors import CompileError


@dataclass(frozen=True)
class Variable:
    """`.shared .align 4 .b8 tile[4224]`: a variable, an array, or a parameter."""

    space: str  # "shared", "global", "const", "local", "param"
    type: str  # "f32"
    name: str
    align: int = 0
    count: int | None = None  # elements of an array; 0 where the launch tells the size, None if it is no array
    values: tuple[str, ...] = ()  # initial values


@dataclass(frozen=True)
class Registers:
    """`.reg .f32 %f<8>` declares eight registers, %f0 to %f7."""

    type: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """A place in the .cu file. `inlined` tells apart the calls through which it came here."""

    file: str = ""
    line: int = 0
    inlined: str = ""


@dataclass(frozen=True)
class Instruction:
    """`@!%p1 ld.global.v2.f32 {%f1, %f2}, [%rd1+8]`"""

    opcode: str  # "ld"
    modifiers: tuple[str, ...]  # ("global", "v2", "f32")
    operands: tuple[str, ...]  # ("{%f1, %f2}", "[%rd1+8]")
    guard: str = ""  # "%p1": only threads whose predicate is true execute it; "!%p1": false
    text: str = ""
    place: Place = Place()


@dataclass(frozen=True)
class Mark:
    """What is no instruction: "{", "}", "label:"; or the list of labels that a branch table names."""

    text: str
    targets: tuple[str, ...] = ()


@dataclass
class Function:
    """A kernel (entry) or a device function."""

    name: str
    entry: bool
    returns: list[Variable]
    parameters: list[Variable]
    body: list = field(default_factory=list)  # Variable, Registers, Instruction, Mark
    place: Place = Place()


@dataclass
class Program:
    variables: list[Variable]
    functions: list[Function]


COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
FUNCTION = re.compile(
    r"(?:\.\w+\s+)*?\.(?P<kind>entry|func)\b\s*(?:\((?P<returns>[^)]*)\))?\s*(?P<name>[\w$]+)\s*"
    r"(?:\((?P<parameters>[^)]*)\))?"
)
VARIABLE = re.compile(
    r"(?:\.(?:visible|extern|weak|common)\s+)*\.(?P<space>shared|global|const|local|param)\s+"
    r"(?:\.align\s+(?P<align>\d+)\s+)?\.(?P<type>\w+)\s+(?:\.ptr\s+(?:\.\w+\s+(?:\d+\s+)?)*)?(?:\.align\s+\d+\s+)?"
    r"(?P<name>[\w$%]+)\s*(?P<array>\[\s*\d*\s*\])?\s*(?:=\s*(?P<values>.*))?$",
    re.S,
)
LOCATION = re.compile(r"\.loc\s+(\d+)\s+(\d+)\s+(.*)")


def parse(text: str) -> Program:
    """Read a PTX module. Raises CompileError where it cannot."""
    files = dict(re.findall(r'^\s*\.file\s+(\d+)\s+"([^"]+)"', text, re.M))
    program = Program([], [])
    function, depth, skipping = None, 0, False
    place = Place()
    for statement in _statements(COMMENT.sub(" ", text)):
        if statement == "{":
            depth += 1
            if depth > 1 and function:
                function.body.append(Mark("{"))
        elif statement == "}":
            depth -= 1
            if depth and function:
                function.body.append(Mark("}"))
            elif not depth:
                function, skipping = None, False
        elif skipping or statement.startswith((".version", ".target", ".address_size", ".file", ".pragma")):
            continue
        elif statement.startswith(".section"):  # debug information
            skipping = True
        elif found := LOCATION.match(statement):
            place = Place(files.get(found[1], ""), int(found[2]), found[3])
            if function and not function.place.line:
                function.place = place
        elif function and depth:
            function.body.append(_in_function(statement, place))
        elif found := FUNCTION.match(statement):
            function = _function(found)
            program.functions.append(function)
        elif found := VARIABLE.match(statement):
            program.variables.append(_variable(found))
        else:
            raise CompileError(f"this PTX is not understood: {statement}")
    bodies = {f.name for f in program.functions if f.body}
    program.functions = [f for f in program.functions if f.body or f.name not in bodies]
    return program


def _statements(text: str) -> Iterator[str]:
    """Cut at `;`, at braces around blocks, after labels, and at the end of the lines that need no semicolon.

    Braces within a statement hold a vector of registers or the values of an array.
    """
    line_directive = re.compile(r"\.(?:version|target|address_size|loc|file)\b[^\n]*")
    label = re.compile(r"([\w$]+)\s*:(?!:)")
    opens_block = re.compile(r"(?:\.\w+\s+)*\.(?:entry|func|section)\b")
    place = 0
    while place < len(text):
        if text[place].isspace() or text[place] == ";":
            place += 1
            continue
        if text[place] in "{}":
            yield text[place]
            place += 1
            continue
        whole = line_directive.match(text, place) or label.match(text, place)
        if whole:
            yield whole[0].strip()
            place = whole.end()
            continue
        stops = "{;" if opens_block.match(text, place) else ";"
        end = place
        while end < len(text) and text[end] not in stops and not (text[end] == "}" and _closed(text, place, end)):
            end = text.index('"', end + 1) + 1 if text[end] == '"' else end + 1
        yield " ".join(text[place:end].split())
        place = end


def _closed(text: str, start: int, end: int) -> bool:
    """Whether the brace at `end` closes a block rather than one of the statement (inline assembly omits the `;`)."""
    return text.count("{", start, end) == text.count("}", start, end)


def _function(found: re.Match) -> Function:
    lists = [_variables(found[part] or "") for part in ("returns", "parameters")]
    return Function(found["name"], found["kind"] == "entry", *lists)


def _variables(text: str) -> list[Variable]:
    parts = [part.strip() for part in text.split(",") if part.strip() not in ("", "_")]
    matches = [VARIABLE.match(part) for part in parts]
    if not all(matches):
        raise CompileError(f"these PTX parameters are not understood: {text}")
    return [_variable(found) for found in matches]


def _variable(found: re.Match) -> Variable:
    count = None if found["array"] is None else int(found["array"].strip("[] ") or 0)
    values = tuple(part.strip() for part in (found["values"] or "").strip("{} ").split(",") if part.strip())
    align = int(found["align"] or 0)
    return Variable(found["space"], found["type"], found["name"], align, count, values)


def _in_function(statement: str, place: Place) -> Variable | Registers | Instruction | Mark:
    if statement.startswith(".reg"):
        _, kind, names = statement.split(None, 2)
        return Registers(kind.strip("."), tuple(_register_names(names)))
    if statement.startswith((".branchtargets", ".callprototype", ".calltargets")):
        return Mark("targets", tuple(split_operands(statement.partition(" ")[2])))
    if found := VARIABLE.match(statement):
        return _variable(found)
    if statement.endswith(":"):
        return Mark(statement)
    guard, _, rest = statement.partition(" ") if statement.startswith("@") else ("", "", statement)
    head, _, operands = rest.strip().partition(" ")
    opcode, *modifiers = head.split(".")
    return Instruction(opcode, tuple(modifiers), tuple(split_operands(operands)), guard[1:], statement, place)


def _register_names(text: str) -> Iterator[str]:
    for part in (part.strip() for part in text.split(",")):
        found = re.match(r"(.*)<(\d+)>$", part)
        yield from (f"{found[1]}{i}" for i in range(int(found[2]))) if found else (part,)


def split_operands(text: str) -> list[str]:
    """Cut at commas, but not at those within brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "{[(") - (letter in "}])")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]
