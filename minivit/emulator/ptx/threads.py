"""The PTX instructions by which threads meet or part: branches and calls, barriers, shuffles, votes, atomics.

They call the functions of minivit/emulator/runtime/runtime.h that kernels compiled from source call, too.
"""

from .instructions import TYPES, Unknown, identifier, space_of
from .parse import Instruction

# What two numbers become, and what an atomic operation leaves in memory where `old` was.
COMBINE = {
    "add": "add(old, value)",
    "min": "minimum(old, value)",
    "max": "maximum(old, value)",
    "and": "old & value",
    "or": "old | value",
    "xor": "old ^ value",
}
CHANGE = COMBINE | {
    "exch": "value",
    "cas": "old == compare ? value : old",
    "inc": "old >= value ? 0 : old + 1",
    "dec": "old == 0 || old > value ? value : old - 1",
}
ABSENT = {
    "vprintf": "printf is not in the PTX path: run the kernel from source, which prints",
    "malloc": "malloc in a kernel is not in the emulator",
    "free": "free in a kernel is not in the emulator",
}


def _branch(i: Instruction, scope) -> str:
    if i.modifiers[:1] == ("idx",):  # brx.idx: a branch table, as a switch may become
        cases = (f"case {n}: goto {identifier(to)};" for n, to in enumerate(scope.targets[i.operands[1]]))
        return f"switch ({scope.value(i.operands[0], 'u32')}) {{ {' '.join(cases)} }}"
    return f"goto {identifier(i.operands[0])};"


def _return(i: Instruction, scope) -> str:
    if i.opcode == "exit" and not scope.function.entry:
        raise Unknown("a thread that ends within a device function is not in the emulator")
    return "return;"


def _call(i: Instruction, scope) -> str:
    """call (result), function, (parameters): the parameters lie in byte arrays, which the function gets pointers to."""
    lists = [part.strip("() ") for part in i.operands if part.startswith("(")]
    (name, *prototype) = [part for part in i.operands if not part.startswith("(")]
    if name == "__assertfail":
        return _assertion(lists[-1], scope)
    if name in ABSENT:
        raise Unknown(ABSENT[name])
    function = scope.functions.get(name)
    if prototype or function is None or not function.body:
        raise Unknown(f"a call of {name}, which is not in this source, is not in the emulator")
    arrays = [part.strip() for text in lists for part in text.split(",") if part.strip()]
    return f"{identifier(name)}({', '.join(f'(u8*)&{identifier(a)}' for a in arrays)});"


def _assertion(parameters: str, scope) -> str:
    message = parameters.split(",")[0].strip()
    return f"assertion_failed(*(u64*)({scope.bytes_of(message)}));"


def _barrier(i: Instruction, scope) -> str:
    """bar.sync 0 is __syncthreads(), bar.warp.sync __syncwarp(mask), bar.red.popc __syncthreads_count(p)."""
    what = [m for m in i.modifiers if m not in ("cta", "aligned", *TYPES)]
    if what == ["warp", "sync"]:
        return f"emulator::syncwarp({scope.value(i.operands[0], 'u32')}, Place::here());"
    reduced = what[:1] == ["red"]
    barrier = i.operands[1 if reduced else 0]
    if barrier != "0" or len(i.operands) != (3 if reduced else 1) or what[0] not in ("sync", "red"):
        raise Unknown("only the barrier of a whole block, __syncthreads(), is in the emulator")
    here = f"Place::here(), {scope.barrier(i.place)}"
    if not reduced:
        return f"emulator::syncthreads({here});"
    field = {"popc": "count", "and": "all", "or": "any"}[what[1]]
    votes = f"emulator::syncthreads_votes({scope.value(i.operands[2], 'pred')}, {here}).{field}"
    return scope.assign(i.operands[0], "u32" if field == "count" else "pred", votes)


def _with_sync(i: Instruction) -> str:
    if i.modifiers[0] != "sync" and "sync" not in i.modifiers:
        raise Unknown("a warp operation without .sync is not in the emulator")
    return next(m for m in i.modifiers if m != "sync")


def _shuffle(i: Instruction, scope) -> str:
    """shfl.sync.bfly.b32 d|p, a, b, c, mask: b picks the lane to read, c holds the width; p: whether it is in range."""
    how = _with_sync(i)
    into, _, in_range = i.operands[0].partition("|")
    value, lane, bounds, mask = (scope.value(operand, "u32") for operand in i.operands[1:])
    read = scope.assign(into, "u32", f"u32(emulator::shuffle({mask}, {value}, from.lane, Place::here()))")
    flag = scope.assign(in_range, "pred", "from.in_range") if in_range else ""
    return f"{{ Source from = shuffle_{how}({lane}, {bounds}); {read} {flag} }}"


def _vote(i: Instruction, scope) -> str:
    how = _with_sync(i)
    said, mask = scope.value(i.operands[1], "pred"), scope.value(i.operands[2], "u32")
    votes = f"emulator::vote({mask}, {said}, Place::here())"
    if how == "ballot":
        return scope.assign(i.operands[0], "u32", votes)
    answers = {
        "any": f"{votes} != 0",
        "all": f"emulator::vote({mask}, !({said}), Place::here()) == 0",
        "uni": f"unanimous({mask}, {said}, Place::here())",
    }
    return scope.assign(i.operands[0], "pred", answers[how])


def _match(i: Instruction, scope) -> str:
    """The lanes that have my value (any), or all lanes if they have one value (all)."""
    kind = i.modifiers[-1]
    into, _, all_same = i.operands[0].partition("|")
    value, mask = scope.value(i.operands[1], kind), scope.value(i.operands[2], "u32")
    if _with_sync(i) == "any":
        return scope.assign(into, "u32", f"emulator::match({mask}, {value}, Place::here())")
    flag = scope.assign(all_same, "pred", "same != 0") if all_same else ""
    found = f"u32 same = match_all({mask}, {value}, Place::here());"
    return f"{{ {found} {scope.assign(into, 'u32', 'same')} {flag} }}"


def _reduce(i: Instruction, scope) -> str:
    """redux.sync: one number of all lanes."""
    kind, ctype = i.modifiers[-1], TYPES[i.modifiers[-1]]
    what = _with_sync(i)
    if what not in COMBINE or kind[0] == "f":
        raise Unknown("this reduction is not in the emulator")
    value, mask = scope.value(i.operands[1], kind), scope.value(i.operands[2], "u32")
    combine = f"[]({ctype} old, {ctype} value) {{ return {COMBINE[what]}; }}"
    return scope.assign(i.operands[0], kind, f"reduce<{ctype}>({mask}, {value}, {combine}, Place::here())")


def _active_mask(i: Instruction, scope) -> str:
    return scope.assign(i.operands[0], "u32", "emulator::active_mask()")


def _atomic(i: Instruction, scope) -> str:
    """atom and red, which gives no old value: one step that nobody can come between."""
    kind, ctype = i.modifiers[-1], TYPES[i.modifiers[-1]]
    what = next((m for m in i.modifiers if m in CHANGE), None)
    if what is None or "v2" in i.modifiers or "v4" in i.modifiers:
        raise Unknown("this atomic operation is not in the emulator")
    result, place, *values = i.operands if i.opcode == "atom" else ("_", *i.operands)
    address = f"(u8*)({scope.address(place, space_of(i))})"
    names = ("compare", "value") if what == "cas" else ("value",)
    captured = ", ".join(f"{name} = {scope.value(v, kind)}" for name, v in zip(names, values, strict=True))
    change = f"[{captured}]({ctype} old) -> {ctype} {{ return {CHANGE[what]}; }}"
    return scope.assign(
        result, kind, f"atomic<{ctype}>({address}, {change}, Place::here(){', true' * (what == 'cas')})"
    )


def _is_space(i: Instruction, scope) -> str:
    space = space_of(i)
    if space not in ("shared", "global"):
        raise Unknown("only shared and global memory are told apart in the emulator")
    shared = f"is_shared({scope.value(i.operands[1], 'u64')})"
    return scope.assign(i.operands[0], "pred", shared if space == "shared" else f"!{shared}")


def _trap(i: Instruction, scope) -> str:
    return "trapped();"


BETWEEN_THREADS = {
    "bra": _branch,
    "brx": _branch,
    "ret": _return,
    "exit": _return,
    "call": _call,
    "trap": _trap,
    "bar": _barrier,
    "barrier": _barrier,
    "shfl": _shuffle,
    "vote": _vote,
    "match": _match,
    "redux": _reduce,
    "activemask": _active_mask,
    "atom": _atomic,
    "red": _atomic,
    "isspacep": _is_space,
}
