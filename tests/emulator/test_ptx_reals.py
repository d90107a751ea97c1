"""PTX instructions of real numbers, against exact fractions: each rounding mode, and what NaN and infinity do."""

import operator
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from ptx_support import LETTERS, as_number, check_case, compile_cases, operands, signed, title

CASES: dict[str, tuple] = {}


def case(assembly: str, types: str, function: Callable) -> None:
    assert assembly not in CASES
    CASES[assembly] = types, function


def rounded(exact: Fraction, dtype: type, mode: str) -> np.floating:
    """The number of the dtype that an exact result is rounded to: rn, rz, rm (down) or rp (up)."""
    with np.errstate(all="ignore"):
        near = dtype(float(exact)) if abs(exact) < Fraction(2) ** 1024 else dtype(np.inf if exact > 0 else -np.inf)
        around = [np.nextafter(near, dtype(-np.inf)), near, np.nextafter(near, dtype(np.inf))]
    below = max(
        (c for c in around if not np.isposinf(c) and (np.isneginf(c) or Fraction(float(c)) <= exact)), default=near
    )
    above = min(
        (c for c in around if not np.isneginf(c) and (np.isposinf(c) or Fraction(float(c)) >= exact)), default=near
    )
    if mode == "rz":
        mode = "rm" if exact > 0 else "rp"
    if mode == "rn" and np.isfinite(below) and np.isfinite(above):
        last_bit = {2: np.uint16, 4: np.uint32, 8: np.uint64}[near.itemsize]
        return min((below, above), key=lambda c: (abs(Fraction(float(c)) - exact), int(c.view(last_bit)) & 1))
    return below if mode == "rm" else above if mode == "rp" else near


def exactly(function: Callable, dtype: type, mode: str) -> Callable:
    """An operation on reals in one rounding mode. For infinities and NaN: what the CPU says."""

    def result(*x):
        if all(np.isfinite(v) for v in x):
            try:
                return rounded(function(*(Fraction(float(v)) for v in x)), dtype, mode)
            except ZeroDivisionError:
                pass
        with np.errstate(all="ignore"):
            return dtype(function(*x))

    return result


def flushed(x: np.float32) -> np.float32:
    return np.float32(np.copysign(0, x)) if abs(x) < np.float32(2.0**-126) else x


def converted(bits: int, sign: bool, how: Callable, source_is_double: bool) -> Callable:
    """A real to an integer: rounded, and what does not fit becomes the nearest that does."""
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if sign else (0, (1 << bits) - 1)

    def result(x):
        if np.isnan(x):
            return 1 << (bits - 1) if source_is_double or bits == 64 else 0
        return high if np.isposinf(x) else low if np.isneginf(x) else int(min(max(int(how(x)), low), high))

    return result


for letter, kind in (("f", "f32"), ("d", "f64")):
    dtype = LETTERS[letter]
    for mode in ("rn", "rz", "rm", "rp"):
        case(operands(2, f"add.{mode}.{kind}"), f"{letter}:{letter * 2}", exactly(operator.add, dtype, mode))
        case(operands(2, f"sub.{mode}.{kind}"), f"{letter}:{letter * 2}", exactly(operator.sub, dtype, mode))
        case(operands(2, f"mul.{mode}.{kind}"), f"{letter}:{letter * 2}", exactly(operator.mul, dtype, mode))
        case(operands(2, f"div.{mode}.{kind}"), f"{letter}:{letter * 2}", exactly(operator.truediv, dtype, mode))
        case(
            operands(3, f"fma.{mode}.{kind}"), f"{letter}:{letter * 3}", exactly(lambda a, b, c: a * b + c, dtype, mode)
        )
        case(operands(1, f"rcp.{mode}.{kind}"), f"{letter}:{letter}", exactly(lambda a: 1 / a, dtype, mode))
        case(
            operands(1, f"cvt.{mode}.{kind}.s64"),
            f"{letter}:l",
            lambda a, d=dtype, m=mode: rounded(Fraction(signed(a, 64)), d, m),
        )
        case(
            operands(1, f"cvt.{mode}.{kind}.u64"), f"{letter}:l", lambda a, d=dtype, m=mode: rounded(Fraction(a), d, m)
        )
        if kind == "f32":
            case(operands(1, f"cvt.{mode}.f32.f64"), "f:d", exactly(lambda a: a, np.float32, mode))
    for whole, how in (("rni", np.rint), ("rzi", np.trunc), ("rmi", np.floor), ("rpi", np.ceil)):
        case(operands(1, f"cvt.{whole}.{kind}.{kind}"), f"{letter}:{letter}", how)
        for bits, out in ((16, "h"), (32, "r"), (64, "l")):
            for sign in (True, False):
                f = converted(bits, sign, how, letter == "d")
                case(operands(1, f"cvt.{whole}.{'s' if sign else 'u'}{bits}.{kind}"), f"{out}:{letter}", f)
    case(operands(2, f"min.{kind}"), f"{letter}:{letter * 2}", np.fmin)
    case(operands(2, f"max.{kind}"), f"{letter}:{letter * 2}", np.fmax)
    case(operands(2, f"copysign.{kind}"), f"{letter}:{letter * 2}", lambda a, b: np.copysign(b, a))
    tests = {"finite": np.isfinite, "infinite": np.isinf, "number": lambda a: not np.isnan(a), "notanumber": np.isnan}
    tests["normal"] = lambda a: bool(np.isfinite(a) and abs(a) >= np.finfo(type(a)).tiny)
    tests["subnormal"] = lambda a: bool(0 < abs(a) < np.finfo(type(a)).tiny)
    for name, function in tests.items():
        case(as_number(f"testp.{name}.{kind} %1"), f"r:{letter}", function)
    compare = {"eq": operator.eq, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge}
    ordered = {**compare, "ne": lambda a, b: a < b or a > b, "num": lambda a, b: a == a and b == b}
    unordered = {
        f"{name}u": lambda a, b, f=f: bool(np.isnan(a) or np.isnan(b) or f(a, b)) for name, f in compare.items()
    }
    unordered |= {"neu": lambda a, b: a != b, "nan": lambda a, b: bool(np.isnan(a) or np.isnan(b))}
    for name, function in {**ordered, **unordered}.items():
        case(as_number(f"setp.{name}.{kind} %1, %2"), f"r:{letter * 2}", function)
case(operands(2, "min.NaN.f32"), "f:ff", np.minimum)
case(operands(2, "max.NaN.f32"), "f:ff", np.maximum)
case(operands(2, "add.ftz.f32"), "f:ff", lambda a, b: flushed(flushed(a) + flushed(b)))
case(operands(2, "mul.ftz.f32"), "f:ff", lambda a, b: flushed(flushed(a) * flushed(b)))
case(
    operands(2, "add.sat.f32"),
    "f:ff",
    lambda a, b: np.float32(0) if np.isnan(a + b) else np.clip(a + b, np.float32(0), np.float32(1)),
)
case(operands(1, "cvt.f64.f32"), "d:f", np.float64)
case(operands(2, "set.lt.u32.f32"), "r:ff", lambda a, b: 0xFFFFFFFF if a < b else 0)
case(operands(2, "set.gt.f32.s32"), "f:rr", lambda a, b: float(signed(a, 32) > signed(b, 32)))
case(operands(3, "slct.f32.f32"), "f:fff", lambda a, b, c: a if c >= 0 else b)
case("{.reg .u32 t; mov.b64 {_, t}, %1; mov.u32 %0, t;}", "r:d", lambda a: int(np.float64(a).view(np.uint64)) >> 32)


@pytest.fixture(scope="module")
def module():
    return compile_cases(CASES)


@pytest.mark.parametrize("assembly", CASES, ids=title)
def test_instruction(module, assembly):
    check_case(CASES, module, assembly)
