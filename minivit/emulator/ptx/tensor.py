"""The PTX instructions of tensor cores, and the copies that feed them: cp.async, cvt.rna.tf32, mma.sync of TF32.

They call the functions of minivit/emulator/runtime/inline_ptx.h, as inline PTX does in kernels compiled from source.
"""

from .instructions import Unknown
from .parse import Instruction

HEADER = "inline_ptx.h"
MMA = ("sync", "aligned", "m16n8k8", "row", "col", "f32", "tf32", "tf32", "f32")


def is_of_tensors(i: Instruction) -> bool:
    return i.opcode in ("cp", "mma") or (i.opcode, i.modifiers) == ("cvt", ("rna", "tf32", "f32"))


def translated(i: Instruction, scope) -> str:
    return {"cp": _copy, "mma": _mma, "cvt": _to_tf32}[i.opcode](i, scope)


def _copy(i: Instruction, scope) -> str:
    """cp.async.cg.shared.global [to], [from], bytes, those that are read; and the waiting."""
    how = i.modifiers[1:]
    if how == ("commit_group",):
        return "emulator::commit_copies();"
    if how == ("wait_all",):
        return "emulator::wait_for_copies(~0u);"
    if how == ("wait_group",):
        return f"emulator::wait_for_copies({scope.value(i.operands[0], 'u32')});"
    if how[0] not in ("ca", "cg") or how[1:] != ("shared", "global"):
        raise Unknown("this copy is not in the emulator")
    to, source, *sizes = i.operands
    sizes = [scope.value(size, "u32") for size in sizes]
    places = f"(void*)({scope.address(to, 'shared')}), (const void*)({scope.address(source, 'global')})"
    return f"emulator::copy_later({places}, {sizes[0]}, {sizes[-1]}, Place::here());"


def _mma(i: Instruction, scope) -> str:
    """mma.sync d, a, b, c: each a list of a lane's registers."""
    if i.modifiers != MMA:
        raise Unknown("of the warp's matrix products only mma.sync.m16n8k8 of TF32 is in the emulator")
    d, *given = ([name.strip() for name in operand.strip("{} ").split(",")] for operand in i.operands)
    lists = [
        f"{letter}[] = {{{', '.join(scope.value(name, 'u32') for name in names)}}}"
        for letter, names in zip("abc", given, strict=True)
    ]
    results = " ".join(scope.assign(name, "u32", f"d[{n}]") for n, name in enumerate(d))
    return f"{{ u32 d[4], {', '.join(lists)}; emulator::mma_tf32(d, a, b, c, Place::here()); {results} }}"


def _to_tf32(i: Instruction, scope) -> str:
    to, x = i.operands
    return scope.assign(to, "u32", f"as<u32>(emulator::to_tf32({scope.value(x, 'f32')}))")
