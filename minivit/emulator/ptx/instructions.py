"""What each PTX instruction is in C++: a table for those that compute, a function for each of the others.

The C++ functions are in minivit/emulator/runtime/ptx.h.
"""

import re
from collections.abc import Callable

from .parse import Instruction

# instruction = function in ptx.h(operands). T is the instruction's type (its last modifier), W one twice as wide; other
# types are what they say; what is no type is passed as it is. Where the type of the result is not T, it precedes "=".
TABLE = """
add              = add(T, T)                   sub              = sub(T, T)
mul              = mul(T, T)                   mul.lo           = mul(T, T)
mul.hi           = mul_hi(T, T)                mul.wide       W = mul_wide(T, T)
mul24.lo         = mul24(T, T)                 mad24.lo         = add(mul24(T, T), T)
mad              = mad(T, T, T)                mad.lo           = mad(T, T, T)
mad.hi           = add(mul_hi(T, T), T)        mad.wide       W = add(mul_wide(T, T), W)
fma              = fused(T, T, T)              sad              = add(distance(T, T), T)
div              = divide(T, T)                rem              = remainder(T, T)
div.approx       = divide(T, T)                div.full         = divide(T, T)
abs              = absolute(T)                 neg              = neg(T)
min              = minimum(T, T)               max              = maximum(T, T)
min.NaN          = minimum_nan(T, T)           max.NaN          = maximum_nan(T, T)
add.cc           = add_carry(T, T, 0, carry)   addc             = add_carry(T, T, carry, unused)
addc.cc          = add_carry(T, T, carry, carry)
sub.cc           = sub_borrow(T, T, 0, carry)  subc             = sub_borrow(T, T, carry, unused)
subc.cc          = sub_borrow(T, T, carry, carry)
mad.lo.cc        = add_carry(mul(T, T), T, 0, carry)
mad.hi.cc        = add_carry(mul_hi(T, T), T, 0, carry)
madc.lo          = add_carry(mul(T, T), T, carry, unused)
madc.hi          = add_carry(mul_hi(T, T), T, carry, unused)
madc.lo.cc       = add_carry(mul(T, T), T, carry, carry)
madc.hi.cc       = add_carry(mul_hi(T, T), T, carry, carry)

and              = bit_and(T, T)               or               = bit_or(T, T)
xor              = bit_xor(T, T)               not              = bit_not(T)
cnot             = cnot(T)                     lop3             = lop3(u32, u32, u32, u32)
shl              = shift_left(T, u32)          shr              = shift_right(T, u32)
shf.l.wrap       = funnel_left(u32, u32, wrapped(u32))
shf.r.wrap       = funnel_right(u32, u32, wrapped(u32))
shf.l.clamp      = funnel_left(u32, u32, clamped(u32))
shf.r.clamp      = funnel_right(u32, u32, clamped(u32))
popc         u32 = popc(T)                     clz          u32 = clz(T)
bfind        u32 = bfind(T)                    bfind.shiftamt u32 = bfind_shift(T)
brev             = brev(T)                     prmt             = prmt(u32, u32, u32)
bfe              = bfe(T, u32, u32)            bfi              = bfi(T, T, u32, u32)

rcp              = reciprocal(T)               sqrt             = square_root(T)
rcp.approx       = reciprocal(T)               sqrt.approx      = square_root(T)
rcp.approx.upper = upper_reciprocal(T)         rsqrt.approx.upper = upper_rsqrt(T)
rsqrt.approx     = rsqrt(T)                    ex2.approx       = exp_2(T)
lg2.approx       = log_2(T)                    tanh.approx      = hyperbolic_tangent(T)
sin.approx       = sine(T)                     cos.approx       = cosine(T)
copysign         = with_sign_of(T, T)          selp             = select(T, T, pred)
testp.finite    pred = is_finite(T)            testp.infinite  pred = is_infinite(T)
testp.number    pred = is_number(T)            testp.notanumber pred = is_nan(T)
testp.normal    pred = is_normal(T)            testp.subnormal pred = is_subnormal(T)
"""
ROW = re.compile(r"([a-z0-9][\w.]*)\s+(\w+)? *= (\w+\(.*?\))(?=\s{2,}|$)", re.M)
ROWS = {name: (result or "T", expression) for name, result, expression in ROW.findall(TABLE)}

# PTX type -> the C++ type in ptx.h
TYPES = {f"{kind}{bits}": f"{kind}{bits}" for kind in "su" for bits in (8, 16, 32, 64)}
TYPES |= {"f32": "f32", "f64": "f64", "pred": "pred"} | {f"b{bits}": f"u{bits}" for bits in (8, 16, 32, 64)}
WIDER = {"s16": "s32", "u16": "u32", "s32": "s64", "u32": "u64"}
BITS = {name: int(name[1:]) for name in TYPES if name != "pred"} | {"pred": 1}

ROUNDING = {"rz": "FE_TOWARDZERO", "rm": "FE_DOWNWARD", "rp": "FE_UPWARD"}  # rn, to nearest, is the CPU's own way
WHOLE = {"rni": "round_even", "rzi": "round_zero", "rmi": "round_down", "rpi": "round_up"}
SAYS_NOTHING_HERE = {"rn", "ftz", "sat", "uni", *ROUNDING}  # handled for every row alike

COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=", "lo": "<", "ls": "<=", "hi": ">"}
COMPARE |= {"hs": ">="}
UNORDERED = {"neu": "==", "ltu": ">=", "leu": ">", "gtu": "<=", "geu": "<"}  # true unless this holds


class Unknown(Exception):
    """An instruction, or a form of one, that the translator does not have."""


def identifier(name: str) -> str:
    """A C++ name for a PTX one, which no keyword and no name of ours begins with: reg_f1 for %f1, the_tile for tile."""
    name = name.replace("$", "_")
    return f"reg_{name[1:].replace('%', '_')}" if name.startswith("%") else f"the_{name}"


def compute(i: Instruction, scope) -> str:
    """The C++ statement of an instruction of the table. scope (ptx_translate.Scope) knows registers and variables."""
    kind = i.modifiers[-1] if i.modifiers else ""
    selecting = [m for m in i.modifiers[:-1] if m not in SAYS_NOTHING_HERE and m not in TYPES]
    if kind == "f64" and "ftz" in i.modifiers:
        selecting.append("upper")  # rcp and rsqrt of the upper half of a number
    row = ROWS.get(".".join([i.opcode, *selecting]))
    if row is None or kind not in TYPES:
        raise Unknown("this instruction is not in the emulator")
    result, expression = row
    types = {"T": kind, "W": WIDER.get(kind, "")} | {name: name for name in TYPES}
    operands = iter(i.operands[1:])
    flush = "ftz" in i.modifiers and kind == "f32"

    def operand(found: re.Match) -> str:
        wanted = types.get(found[0])
        if wanted is None:
            return found[0]  # a function, a number, a flag
        value = scope.value(next(operands), wanted)
        return f"ftz({value})" if flush and wanted == "f32" else value

    value = re.sub(r"\w+", operand, expression)
    mode = next((ROUNDING[m] for m in i.modifiers if m in ROUNDING), None)
    if mode:
        value = _rounded(mode, value)
    if i.opcode in ("div", "rem") and kind[0] in "su":
        value = f"({scope.value(i.operands[2], kind)} == 0 ? divided_by_zero() : void(), {value})"
    if flush and types[result] == "f32":
        value = f"ftz({value})"
    if "sat" in i.modifiers:
        if kind[0] != "f":
            raise Unknown("saturating integers are not in the emulator")
        value = f"saturate({value})"
    return scope.assign(i.operands[0], types[result], value)


def _rounded(mode: str, value: str) -> str:
    """`add(a, b)` as `rounded<FE_UPWARD>([](auto... x) { return add(x...); }, a, b)`."""
    function, _, operands = value.partition("(")
    return f"rounded<{mode}>([](auto... x) {{ return {function}(x...); }}, {operands}"


def _compared(test: str, kind: str, a: str, b: str) -> str:
    """The plain comparisons of reals are false where one is NaN, those ending in u true. C++'s == and != differ."""
    if test in ("num", "nan"):
        return f"(is_number({a}) && is_number({b}))" if test == "num" else f"(is_nan({a}) || is_nan({b}))"
    if test in ("ne", "equ") and kind[0] == "f":
        return f"({a} < {b} || {a} > {b})" if test == "ne" else f"!({a} < {b} || {a} > {b})"
    return f"!({a} {UNORDERED[test]} {b})" if test in UNORDERED else f"({a} {COMPARE[test]} {b})"


def _setp(i: Instruction, scope) -> str:
    """setp.lt.and.f32 p|q, a, b, c: p = (a < b) && c, q = !(a < b) && c. `set` gives a number instead."""
    test, *combine = [m for m in i.modifiers if m not in TYPES and m != "ftz"]
    kind = i.modifiers[-1]
    flush = "ftz({})" if "ftz" in i.modifiers and kind == "f32" else "{}"
    a, b = (flush.format(scope.value(operand, kind)) for operand in i.operands[1:3])
    outcome = _compared(test, kind, a, b)
    further = ""
    if combine:
        operator = {"and": "&", "or": "|", "xor": "^"}[combine[0]]
        further = f" {operator} {scope.value(i.operands[3], 'pred')}"
    if i.opcode == "set":
        result = i.modifiers[-2]
        yes = f"{TYPES[result]}({'1' if result == 'f32' else '-1'})"
        return scope.assign(i.operands[0], result, f"({outcome}{further}) ? {yes} : {TYPES[result]}(0)")
    first, _, second = i.operands[0].partition("|")
    if not second:
        return scope.assign(first, "pred", outcome + further)
    both = scope.assign(first, "pred", f"yes{further}") + scope.assign(second, "pred", f"!yes{further}")
    return f"{{ bool yes = {outcome}; {both} }}"


def _slct(i: Instruction, scope) -> str:
    kind, by = i.modifiers[-2:]
    a, b = (scope.value(operand, kind) for operand in i.operands[1:3])
    return scope.assign(i.operands[0], kind, f"{scope.value(i.operands[3], by)} >= 0 ? {a} : {b}")


def _cvt(i: Instruction, scope) -> str:
    to, source = i.modifiers[-2:]
    how = set(i.modifiers[:-2]) - {"ftz", "sat", "rn"}
    value = scope.value(i.operands[1], source)
    flush = "ftz" in i.modifiers
    if flush and source == "f32":
        value = f"ftz({value})"
    whole = next((WHOLE[m] for m in WHOLE if m in how), None)
    mode = next((ROUNDING[m] for m in ROUNDING if m in how), None)
    if how - set(WHOLE) - set(ROUNDING):
        raise Unknown("this conversion is not in the emulator")
    if whole:
        value = f"{whole}({value})"
    if to[0] != "f" and source[0] == "f":
        value = f"to_integer<{TYPES[to]}>({value})"
    elif to[0] != "f" and "sat" in i.modifiers:
        value = f"convert_clamped<{TYPES[to]}>({value})"
    elif mode:
        value = f"rounded<{mode}>([](auto x) {{ return convert<{TYPES[to]}>(x); }}, {value})"
    else:
        value = f"convert<{TYPES[to]}>({value})"
    if flush and to == "f32":
        value = f"ftz({value})"
    if to[0] == "f" and "sat" in i.modifiers:
        value = f"saturate({value})"
    return scope.assign(i.operands[0], to, value)


def _mov(i: Instruction, scope) -> str:
    """A copy; or two or four small registers packed into a large one, and back."""
    kind, (to, source) = i.modifiers[-1], i.operands
    if source.startswith("{"):
        parts = source.strip("{} ").split(",")
        width = BITS[kind] // len(parts)
        whole = f"u{BITS[kind]}"
        packed = " | ".join(f"{whole}({scope.value(p, f'u{width}')}) << {n * width}" for n, p in enumerate(parts))
        return scope.assign(to, kind, packed)
    if to.startswith("{"):
        parts = to.strip("{} ").split(",")
        width = BITS[kind] // len(parts)
        each = [scope.assign(p, f"u{width}", f"u{width}(whole >> {n * width})") for n, p in enumerate(parts)]
        return f"{{ u{BITS[kind]} whole = {scope.value(source, f'u{BITS[kind]}')}; {' '.join(each)} }}"
    return scope.assign(to, kind, scope.value(source, kind))


def _memory(i: Instruction, scope) -> str:
    """ld and st, of one number or of a vector: one access of the memory all the same.

    Written out rather than as a function, so that the access is at the .cu file's line and not at the function's.
    """
    kind = i.modifiers[-1]
    count = next((int(m[1:]) for m in i.modifiers if m in ("v2", "v4", "v8")), 1)
    ctype = TYPES[kind] if count == 1 else f"Vector<{TYPES[kind]}, {count}>"
    place, registers = i.operands if i.opcode == "st" else reversed(i.operands)
    address = scope.address(place, space_of(i))
    names = [name.strip() for name in registers.strip("{} ").split(",")]
    if i.opcode == "st":
        values = ", ".join(scope.value(name, kind) for name in names)
        return f"*({ctype}*)({address}) = {values if count == 1 else f'{ctype}{{{{{values}}}}}'};"
    if count == 1:
        return scope.assign(names[0], kind, f"*({ctype}*)({address})")
    each = [scope.assign(name, kind, f"vector.at[{n}]") for n, name in enumerate(names)]
    return f"{{ {ctype} vector = *({ctype}*)({address}); {' '.join(each)} }}"


def space_of(i: Instruction) -> str:
    """shared, global, … or "" for a generic address, which may lie in any of them."""
    spaces = ("shared", "global", "local", "const", "param")
    return next((m.partition("::")[0] for m in i.modifiers if m.partition("::")[0] in spaces), "")


def _cvta(i: Instruction, scope) -> str:
    """Between the addresses of one space and generic ones. Only the shared space has addresses of its own here."""
    value = scope.value(i.operands[1], "u64")
    if space_of(i) == "shared":
        value = f"to_shared({value})" if "to" in i.modifiers else f"from_shared({value})"
    return scope.assign(i.operands[0], "u64", value)


# The instructions that are not in the table; those between threads are in threads.py.
MOVING: dict[str, Callable] = {
    "setp": _setp,
    "set": _setp,
    "slct": _slct,
    "cvt": _cvt,
    "mov": _mov,
    "ld": _memory,
    "ldu": _memory,
    "st": _memory,
    "cvta": _cvta,
}
