"""PTX instructions of whole numbers and bits, against Python's integers, which have as many bits as they need.

Some never come from C++ code, or only from a rare case of it: carries, bit fields, permutations, saturation.
"""

import operator
from collections.abc import Callable

import pytest
from ptx_support import as_number, check_case, compile_cases, operands, signed, title

CASES: dict[str, tuple] = {}


def case(assembly: str, types: str, function: Callable) -> None:
    assert assembly not in CASES
    CASES[assembly] = types, function


def both(function: Callable, bits: int) -> dict[str, Callable]:
    """A function of integers, for the signed and the unsigned type."""
    return {
        f"s{bits}": lambda *x: function(*(signed(v, bits) for v in x)),
        f"u{bits}": lambda *x: function(*x),
    }


def toward_zero(a: int, b: int) -> int:
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def field(x: int, start: int, length: int, bits: int, sign: bool) -> int:
    start, length = start & 255, length & 255
    value = x if sign else x & ((1 << bits) - 1)
    last = min(start + length - 1, bits - 1)
    if not length:
        return 0
    kept = [(value >> k) & 1 for k in range(start, min(start + length, bits))]
    fill = (value >> last) & 1 if sign else 0
    return sum(bit << k for k, bit in enumerate(kept + [fill] * (bits - len(kept))))


def insert(a: int, b: int, start: int, length: int, bits: int) -> int:
    start, length = start & 255, length & 255
    for k in range(length):
        if start + k < bits:
            b = b & ~(1 << (start + k)) | ((a >> k & 1) << (start + k) if k < bits else 0)
    return b


def permute(a: int, b: int, selector: int) -> int:
    source = (b << 32 | a).to_bytes(8, "little")
    nibbles = [selector >> 4 * k & 15 for k in range(4)]
    return int.from_bytes([255 * (source[n & 7] >> 7) if n & 8 else source[n & 7] for n in nibbles], "little")


def top_bit(x: int, bits: int) -> int:
    x = ~x if x < 0 else x
    return x.bit_length() - 1 if x else 0xFFFFFFFF


for bits, letter in ((16, "h"), (32, "r"), (64, "l")):
    pair, single, triple = f"{letter}:{letter}{letter}", f"{letter}:{letter}", f"{letter}:{letter * 3}"
    for name, function in (
        ("add", operator.add),
        ("sub", operator.sub),
        ("mul.lo", operator.mul),
        ("min", min),
        ("max", max),
    ):
        for kind, f in both(function, bits).items():
            case(operands(2, f"{name}.{kind}"), pair, f)
    for kind, f in both(lambda a, b, bits=bits: a * b >> bits, bits).items():
        case(operands(2, f"mul.hi.{kind}"), pair, f)
    for kind, f in both(lambda a, b, c: a * b + c, bits).items():
        case(operands(3, f"mad.lo.{kind}"), triple, f)
    not_zero = f"{{.reg .pred p; .reg .b{bits} t; setp.eq.u{bits} p, %2, 0; selp.b{bits} t, 1, %2, p; "
    for kind, f in both(lambda a, b: toward_zero(a, b or 1), bits).items():
        case(f"{not_zero} div.{kind} %0, %1, t;}}", pair, f)
    for kind, f in both(lambda a, b: a - toward_zero(a, b or 1) * (b or 1), bits).items():
        case(f"{not_zero} rem.{kind} %0, %1, t;}}", pair, f)
    case(operands(1, f"abs.s{bits}"), single, lambda a, bits=bits: abs(signed(a, bits)))
    case(operands(1, f"neg.s{bits}"), single, operator.neg)
    case(operands(1, f"not.b{bits}"), single, operator.invert)
    case(operands(1, f"cnot.b{bits}"), single, lambda a: a == 0)
    for name, function in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
        case(operands(2, f"{name}.b{bits}"), pair, function)
    case(operands(2, f"shl.b{bits}"), f"{letter}:{letter}r", lambda a, n, bits=bits: a << n if n < bits else 0)
    case(operands(2, f"shr.u{bits}"), f"{letter}:{letter}r", lambda a, n: a >> n if n < 64 else 0)
    case(operands(2, f"shr.s{bits}"), f"{letter}:{letter}r", lambda a, n, bits=bits: signed(a, bits) >> min(n, bits))
    if bits < 64:
        wide = {16: "r", 32: "l"}[bits]
        for kind, f in both(operator.mul, bits).items():
            case(operands(2, f"mul.wide.{kind}"), f"{wide}:{letter}{letter}", f)
    if bits > 16:
        case(operands(1, f"popc.b{bits}"), f"r:{letter}", lambda a: bin(a).count("1"))
        case(operands(1, f"clz.b{bits}"), f"r:{letter}", lambda a, bits=bits: bits - a.bit_length())
        case(operands(1, f"brev.b{bits}"), single, lambda a, bits=bits: int(f"{a:0{bits}b}"[::-1], 2))
        for kind, f in both(lambda a, bits=bits: top_bit(a, bits), bits).items():
            case(operands(1, f"bfind.{kind}"), f"r:{letter}", f)
        case(
            operands(3, f"bfe.u{bits}"), f"{letter}:{letter}rr", lambda a, s, n, bits=bits: field(a, s, n, bits, False)
        )
        case(
            operands(3, f"bfe.s{bits}"),
            f"{letter}:{letter}rr",
            lambda a, s, n, bits=bits: field(signed(a, bits), s, n, bits, True),
        )
        case(
            f"bfi.b{bits} %0, %1, %2, %3, 7;",
            f"{letter}:{letter}{letter}r",
            lambda a, b, s, bits=bits: insert(a, b, s, 7, bits),
        )

for kind, f in both(lambda a, b, c: c + abs(a - b), 32).items():
    case(operands(3, f"sad.{kind}"), "r:rrr", f)
case("bfind.shiftamt.u32 %0, %1;", "r:r", lambda a: 31 - top_bit(a, 32) if a else 0xFFFFFFFF)
case("mul24.lo.u32 %0, %1, %2;", "r:rr", lambda a, b: (a & 0xFFFFFF) * (b & 0xFFFFFF))
case("mul24.lo.s32 %0, %1, %2;", "r:rr", lambda a, b: signed(a, 24) * signed(b, 24))
case("prmt.b32 %0, %1, %2, %3;", "r:rrr", permute)
for table, function in (
    (0x96, lambda a, b, c: a ^ b ^ c),
    (0xE8, lambda a, b, c: a & b | a & c | b & c),
    (0xCA, lambda a, b, c: a & b | ~a & c),
):
    case(f"lop3.b32 %0, %1, %2, %3, {table};", "r:rrr", function)
for name, shift in (("wrap", lambda n: n & 31), ("clamp", lambda n: min(n, 32))):
    case(operands(3, f"shf.l.{name}.b32"), "r:rrr", lambda a, b, n, f=shift: (b << 32 | a) << f(n) >> 32)
    case(operands(3, f"shf.r.{name}.b32"), "r:rrr", lambda a, b, n, f=shift: (b << 32 | a) >> f(n))
HALVES = "{.reg .u32 a, b, c, d; mov.b64 {a, b}, %1; mov.b64 {c, d}, %2; "
case(HALVES + "add.cc.u32 a, a, c; addc.u32 b, b, d; mov.b64 %0, {a, b};}", "l:ll", operator.add)
case(HALVES + "sub.cc.u32 a, a, c; subc.u32 b, b, d; mov.b64 %0, {a, b};}", "l:ll", operator.sub)
case(
    HALVES + "mad.lo.cc.u32 a, a, c, b; madc.hi.u32 d, b, c, d; mov.b64 %0, {a, d};}",
    "l:ll",
    lambda x, y: (
        (low := (x & 0xFFFFFFFF) * (y & 0xFFFFFFFF) % 2**32 + (x >> 32)) % 2**32
        | (((x >> 32) * (y & 0xFFFFFFFF) >> 32) + (y >> 32) + (low >> 32)) % 2**32 << 32
    ),
)

compare = {"lt": operator.lt, "ge": operator.ge, "ne": operator.ne}
for name, function in compare.items():
    for kind, f in both(function, 32).items():
        case(as_number(f"setp.{name}.{kind} %1, %2"), "r:rr", f)
COMBINED = (
    "{{.reg .pred p, q, c; setp.ne.s32 c, %3, 0; setp.lt.{}.u32 p|q, %1, %2, {}c; "
    "selp.u32 %0, 1, 0, p; @q add.u32 %0, %0, 2;}}"
)
for name, function in (("and", operator.and_), ("or", operator.or_), ("xor", operator.xor)):
    case(COMBINED.format(name, ""), "r:rrr", lambda a, b, c, f=function: f(a < b, c != 0) + 2 * f(not a < b, c != 0))
    case(COMBINED.format(name, "!"), "r:rrr", lambda a, b, c, f=function: f(a < b, c == 0) + 2 * f(not a < b, c == 0))
case(operands(1, "cvt.sat.s8.s32"), "h:r", lambda a: min(max(signed(a, 32), -128), 127))
case(operands(1, "cvt.sat.u16.s64"), "h:l", lambda a: min(max(signed(a, 64), 0), 65535))
case(operands(1, "cvt.s64.s32"), "l:r", lambda a: signed(a, 32))
case(operands(1, "cvt.s32.s8"), "r:r", lambda a: signed(a, 8))
case(operands(1, "cvt.u32.u16"), "r:h", lambda a: a)
case(operands(3, "slct.u32.s32"), "r:rrr", lambda a, b, c: a if signed(c, 32) >= 0 else b)
case("{.reg .b16 a, b, c, d; mov.b64 {a, b, c, d}, %1; mov.b64 %0, {d, a, b, c};}", "l:l", lambda a: a >> 48 | a << 16)


@pytest.fixture(scope="module")
def module():
    return compile_cases(CASES)


@pytest.mark.parametrize("assembly", CASES, ids=title)
def test_instruction(module, assembly):
    check_case(CASES, module, assembly)
