"""PTX to C++: a kernel becomes a function of the same parameters, launched like one that was compiled from source.

Each PTX register is a C++ variable, each instruction a statement with a #line before it, so that messages and debuggers
name the line of the .cu file that it came from.
"""

import re
from collections import ChainMap

from ..errors import CompileError
from . import tensor
from .instructions import BITS, MOVING, TYPES, Unknown, compute, identifier
from .parse import Function, Instruction, Mark, Place, Program, Registers, Variable
from .signature import parameter_types
from .threads import BETWEEN_THREADS

PLACES = {
    "tid": "emulator::current->thread",
    "ntid": "emulator::block_size",
    "ctaid": "emulator::block_index",
    "nctaid": "emulator::grid_size",
}
SPECIAL_REGISTERS = {f"%{name}.{axis}": f"{place}.{axis}" for name, place in PLACES.items() for axis in "xyz"} | {
    "%laneid": "lane()",
    "%warpid": "warp()",
    "%nwarpid": "warps()",
    "%lanemask_eq": "(1u << lane())",
    "%lanemask_lt": "((1u << lane()) - 1)",
    "%lanemask_le": "(2u << lane()) - 1",
    "%lanemask_gt": "~((2u << lane()) - 1)",
    "%lanemask_ge": "~((1u << lane()) - 1)",
    "%dynamic_smem_size": "emulator::shared_memory.dynamic_size",
    "%clock": "u32(ticks())",
    "%clock64": "ticks()",
    "%globaltimer": "ticks()",
    "WARP_SZ": "32",
}

SPECIAL = MOVING | BETWEEN_THREADS
HALF = {"f16", "f16x2", "bf16", "bf16x2", "tf32", "e4m3x2", "e5m2x2"}
# Threads take turns, so their writes are always in order: a fence matters to the checker alone. There are no caches.
FENCES = {"membar", "fence"}
NOTHING = {"prefetch", "prefetchu", "nanosleep", "pmevent", "applypriority", "discard"}


class Scope:
    """The registers and variables that the statements of one function name, as C++."""

    def __init__(self, program: Program, function: Function, barriers: dict[Place, int]):
        self.function, self._barriers = function, barriers
        self.functions = {f.name: f for f in program.functions}
        self.registers: ChainMap[str, str] = ChainMap()  # PTX name -> PTX type, the innermost block first
        self.variables = {v.name: v for v in (*program.variables, *function.parameters, *function.returns)}
        self.targets: dict[str, tuple[str, ...]] = {}  # the labels of branch tables
        for item, previous in zip(function.body, [None, *function.body], strict=False):
            if isinstance(item, Mark) and item.targets:
                self.targets[previous.text.rstrip(":")] = item.targets

    def declare(self, item: Registers | Variable) -> str:
        """The C++ declaration, after which statements may name what it declares."""
        if isinstance(item, Variable):
            self.variables[item.name] = item
            return _variable(item)
        if item.type not in TYPES:
            raise Unknown(f"registers of type {item.type} are not in the emulator")
        self.registers.update(dict.fromkeys(item.names, item.type))
        return f"{TYPES[item.type]} {', '.join(identifier(name) for name in item.names)};"

    def mark(self, text: str) -> str:
        """A block's brace, within which a register may hide one outside of the same name; or a label."""
        if text == "{":
            self.registers = self.registers.new_child()
        elif text == "}":
            self.registers = self.registers.parents
        elif text[:-1] in self.targets or not text.endswith(":"):
            return ""
        else:
            return f"{identifier(text[:-1])}:;"
        return text

    def value(self, operand: str, kind: str) -> str:
        """A C++ expression of what an operand holds, read as a number of the PTX type `kind`."""
        operand, ctype = operand.strip(), TYPES[kind]
        if operand.startswith("!"):
            return f"!{self.value(operand[1:], kind)}"
        if operand in self.registers:
            name = identifier(operand)
            return name if TYPES[self.registers[operand]] == ctype else f"as<{ctype}>({name})"
        if operand in SPECIAL_REGISTERS:
            return f"{ctype}({SPECIAL_REGISTERS[operand]})"
        if found := re.fullmatch(r"0([fFdD])([0-9a-fA-F]{8}|[0-9a-fA-F]{16})", operand):
            real = f"0x{found[2]}" + ("u" if found[1] in "fF" else "ull")
            return f"as<{ctype}>({real})"
        if re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|\d+)U?", operand):
            return f"{ctype}({operand.rstrip('U')}ull)" if kind != "pred" else str(int(operand, 0) != 0).lower()
        if re.fullmatch(r"[+-]?\d+\.\d*([eE][+-]?\d+)?", operand):
            return f"{ctype}({operand})"
        name, _, offset = operand.partition("+")
        if name in self.variables:
            address = f"u64({self.bytes_of(name)} + {offset or 0})"
            return f"{ctype}(to_shared({address}))" if self.variables[name].space == "shared" else f"{ctype}({address})"
        raise Unknown(f"the operand {operand} is not understood")

    def assign(self, operand: str, kind: str, expression: str) -> str:
        """A C++ statement that puts a number of the PTX type `kind` into a register."""
        operand = operand.strip()
        if operand == "_":
            return f"(void)({expression});"
        if operand not in self.registers:
            raise Unknown(f"the register {operand} is not declared")
        into = TYPES[self.registers[operand]]
        return f"{identifier(operand)} = {expression if into == TYPES[kind] else f'as<{into}>({expression})'};"

    def address(self, operand: str, space: str) -> str:
        """A C++ pointer for `[base+offset]`, where base is a register, a variable or a number."""
        found = re.fullmatch(r"\[\s*([%$\w]+)\s*(?:\+\s*(-?\w+))?\s*\]", operand.strip())
        if not found:
            raise Unknown(f"the address {operand} is not understood")
        base, offset = found[1], found[2] or "0"
        if base in self.variables:
            return f"{self.bytes_of(base)} + {offset}"
        if space == "shared":
            return f"from_shared({self.value(base, 'u32')} + {offset})"
        return f"{self.value(base, 'u64')} + {offset}"

    def bytes_of(self, name: str) -> str:
        """Where a variable begins, as a byte pointer. Parameters of device functions are pointers to their bytes."""
        variable, cpp = self.variables[name], identifier(name)
        if variable.space == "shared" and variable.count == 0:
            return "emulator_dynamic_shared"
        given = not self.function.entry and variable in (*self.function.parameters, *self.function.returns)
        return cpp if given else f"(u8*)&{cpp}"

    def barrier(self, place: Place) -> int:
        """A number for the barrier at this place: the compiler may have made several instructions of one."""
        return self._barriers.setdefault(place, len(self._barriers))


def translate(program: Program, kernels: dict[str, str]) -> str:
    """The C++ of a PTX module. kernels: what a launch asks for -> the mangled name; all other kernels are left out."""
    functions = [f for f in program.functions if f.body and (f.name in kernels.values() or not f.entry)]
    every = (item for f in functions for item in f.body if isinstance(item, Instruction))
    headers = ("ptx_threads.h", tensor.HEADER)[: 1 + any(map(tensor.is_of_tensors, every))]
    parts = [*(f'#include "{header}"' for header in headers), "namespace ptx {"]
    parts += [_variable(v, "static ") for v in program.variables]
    parts += [_head(f) + ";" for f in functions if not f.entry]
    barriers: dict[Place, int] = {}
    parts += [_function(program, f, barriers) for f in functions]
    entries = {f.name: f for f in functions if f.entry}
    parts += [_signature(f) for f in entries.values()]
    parts += ["}  // namespace ptx", f'extern "C" const bool emulator_fences = {str(_fences(functions)).lower()};']
    parts += ['extern "C" const emulator::Kernel emulator_kernels[] = {']
    parts += [_row(asked, entries[name]) for asked, name in kernels.items()]
    return "\n".join([*parts, "{}};", ""])


def _fences(functions: list[Function]) -> bool:
    """Whether one of them orders what a thread does for other blocks, too."""
    instructions = (item for function in functions for item in function.body if isinstance(item, Instruction))
    return any(item.opcode in FENCES and "cta" not in item.modifiers for item in instructions)


def _signature(entry: Function) -> str:
    types = parameter_types(entry)
    rows = [f"{{'{t.kind}', {t.size}, {t.count}, {int(t.pointer)}, {int(t.constant)}}}" for t in types]
    return f"static const emulator::Parameter of_{identifier(entry.name)}[] = {{{', '.join([*rows, '{}'])}}};"


def _row(asked: str, entry: Function) -> str:
    name = identifier(entry.name)
    return f'{{"{asked}", emulator::Entry<&ptx::{name}>::call, ptx::of_{name}, {len(entry.parameters)}}},'


def _function(program: Program, function: Function, barriers: dict[Place, int]) -> str:
    lines = [_head(function) + " {", "bool carry = false, unused = false; (void)carry; (void)unused;"]
    place, said = function.place, ""
    try:
        scope = Scope(program, function, barriers)
        for item in function.body:
            if isinstance(item, Instruction):
                place, said = item.place, item.text
                guard = f"if ({scope.value(item.guard, 'pred')}) " if item.guard else ""
                lines += [f'#line {place.line} "{place.file}"'] if place.line else []
                lines += [guard + _statement(item, scope)]
            else:
                lines.append(scope.mark(item.text) if isinstance(item, Mark) else scope.declare(item))
    except Unknown as unknown:
        raise CompileError(f"{place.file}:{place.line}: {unknown}: {said or function.name}") from None
    return "\n".join([*lines, "}"])


def _statement(i: Instruction, scope: Scope) -> str:
    known = tensor.translated if tensor.is_of_tensors(i) else SPECIAL.get(i.opcode, compute)
    if HALF & set(i.modifiers) and known is not tensor.translated:
        raise Unknown("half-precision numbers are not in the emulator")
    if i.opcode in NOTHING:
        return ";"
    if i.opcode in FENCES:
        return f"emulator::on_fence({str('cta' not in i.modifiers).lower()});"
    try:
        return known(i, scope)
    except (KeyError, IndexError, ValueError, StopIteration):  # a type or a number of operands that it cannot have
        raise Unknown("this instruction is not in the emulator") from None


def _head(function: Function) -> str:
    """Kernels have typed parameters; device functions get pointers to the bytes of results and parameters."""
    if function.entry:
        parameters = [f"{_parameter_type(p, function)} {identifier(p.name)}" for p in function.parameters]
    else:
        parameters = [f"u8* {identifier(p.name)}" for p in (*function.returns, *function.parameters)]
    return f"static void {identifier(function.name)}({', '.join(parameters)})"


def _parameter_type(parameter: Variable, kernel: Function) -> str:
    if parameter.count is not None:
        where = f"{kernel.place.file}:{kernel.place.line}: parameter {kernel.parameters.index(parameter) + 1}"
        raise CompileError(f"{where} of {kernel.name} is a struct; it must be a pointer or a number")
    return TYPES[parameter.type]


def _variable(variable: Variable, prefix: str = "") -> str:
    """Its declaration: an array of one where it is no array. The launch gives shared memory without a size."""
    if variable.space == "shared" and variable.count == 0:
        return ""
    if variable.space == "shared":
        prefix = "static thread_local "
    name, ctype = identifier(variable.name), TYPES[variable.type]
    align = f"alignas({max(variable.align, BITS[variable.type] // 8)})"
    initial = f" = {{{', '.join(_initial(value, variable) for value in variable.values)}}}" if variable.values else ""
    return f"{align} {prefix}{ctype} {name}[{1 if variable.count is None else variable.count}]{initial};"


def _initial(value: str, variable: Variable) -> str:
    if found := re.fullmatch(r"0[fFdD]([0-9a-fA-F]+)", value):
        return f"as<{TYPES[variable.type]}>(0x{found[1]}{'u' if len(found[1]) == 8 else 'ull'})"
    if re.fullmatch(r"-?(0x)?[0-9a-fA-F]+", value):
        return f"{TYPES[variable.type]}({value})"
    raise CompileError(f"{variable.name}: the initial value {value} is not in the emulator: only numbers are")
