"""half and bfloat16: every rounding and every operation against NumPy's float16, or against whole fractions."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from minivit import emulator

MODULE = emulator.load(Path(__file__).with_name("half.cu"))
ALL = np.arange(65536, dtype=np.uint16)  # every number of 16 bits
HALVES = ALL.view(np.float16)
FINITE = HALVES[np.isfinite(HALVES)]
rng = np.random.default_rng(0)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module", autouse=True)
def compiled():
    MODULE.compile(MODULE.kernels)  # all at once


def run(name, *args):
    n = args[-1]
    MODULE[name](-(-n // 256), 256, *args)
    return args[0]


def same(got, expected):
    """The same bits, or both NaN: then 0x7fff here, as on a GPU."""
    nan = np.isnan(expected)
    assert (got.view(np.uint16)[nan] == 0x7FFF).all()
    wrong = (got.view(np.uint16) != expected.view(np.uint16)) & ~nan
    assert not wrong.any(), (got[wrong][:5], expected[wrong][:5])


def near(halves):
    """Floats around each half: itself, halfway to the next, and the floats beside these."""
    steps = np.sort(np.concatenate([halves, [65520, -65520, 70000, np.inf, -np.inf, 0]]).astype(np.float32))
    middles = (steps[1:] / 2 + steps[:-1] / 2)[np.isfinite(steps[1:]) & np.isfinite(steps[:-1])]
    both = np.concatenate([steps, middles])
    return np.unique(
        np.concatenate([both, np.nextafter(both, np.float32(np.inf)), np.nextafter(both, -np.float32(np.inf))])
    )


def test_floats_are_rounded_to_halves_in_all_four_ways():
    x = np.concatenate([near(FINITE), rng.standard_normal(1000, dtype=np.float32) * 1e-6, [np.nan]]).astype(np.float32)
    y = run("from_float", np.zeros((4, x.size), np.float16), x, x.size)
    nearest = x.astype(np.float16)
    same(y[0], nearest)
    wide, finite = nearest.astype(np.float32), np.isfinite(x)
    down = np.where(wide > x, np.nextafter(nearest, np.float16(-np.inf)), nearest)
    up = np.where(wide < x, np.nextafter(nearest, np.float16(np.inf)), nearest)
    for row, expected in ((2, down), (3, up), (1, np.where(x > 0, down, up))):
        right = (y[row] == expected) | (expected == 0)  # of zeros, the sign is looked at below
        assert right[finite].all()
        assert (np.signbit(y[row]) == np.signbit(x))[finite].all()


def test_doubles_are_rounded_once():
    middle = np.nextafter(1 + 2.0**-11, 2)  # just above halfway: in float it is halfway
    x = np.concatenate([[middle, -middle, 1 + 2.0**-11, 1e300, 1e-300], rng.standard_normal(5000)])
    same(run("from_double", np.zeros(x.size, np.float16), x, x.size), x.astype(np.float16))


def test_halves_become_floats_and_whole_numbers():
    y = run("to_float", np.zeros(65536, np.float32), HALVES, 65536)
    assert np.array_equal(y, HALVES.astype(np.float32), equal_nan=True)
    whole = run("to_int", np.zeros((4, 65536), np.int32), HALVES, 65536)
    x = np.nan_to_num(HALVES.astype(np.float64), nan=0, posinf=2**31 - 1, neginf=-(2**31))
    for row, rounded in zip(whole, (np.rint, np.trunc, np.floor, np.ceil), strict=True):
        assert np.array_equal(row, rounded(x).astype(np.int32))
    short = run("to_short", np.zeros(65536, np.int16), HALVES, 65536)
    assert np.array_equal(short, np.clip(np.trunc(x), -(2**15), 2**15 - 1).astype(np.int16))


def partners():
    """All halves, each beside several others: equal ones, neighbours, and some drawn at random."""
    beside = [ALL, ALL ^ 0x8000, ALL + 1, *(rng.permutation(ALL) for _ in range(12))]
    return np.tile(HALVES, len(beside)), np.concatenate(beside).astype(np.uint16).view(np.float16)


def test_arithmetic_is_numpys():
    a, b = partners()
    y = run("arithmetic", np.zeros((12, a.size), np.float16), a, b, a.size)
    for row, expected in enumerate((a + b, a - b, a * b, a / b, -a, np.abs(a), np.sqrt(a), np.rint(a))):
        if row == 5:
            assert np.array_equal(y[5].view(np.uint16), a.view(np.uint16) & 0x7FFF)
        else:
            same(y[row], expected)
    same(np.abs(y[8]), np.abs(np.fmax(a, b)))
    same(np.abs(y[9]), np.abs(np.fmin(a, b)))
    assert np.array_equal(y[10], y[0], equal_nan=True)
    assert np.array_equal(y[11], np.clip(np.nan_to_num(a + b, nan=0), 0, 1))
    zeros = (a == 0) & (b == 0)
    assert (np.signbit(y[8]) == (np.signbit(a) & np.signbit(b)))[zeros].all()  # +0 is the larger


def test_comparisons_are_numpys():
    a, b = partners()
    y = run("comparisons", np.zeros(a.size, np.uint32), a, b, a.size)
    nan = np.isnan(a) | np.isnan(b)
    expected = [a == b, a < b, a >= b, a != b, (a != b) & ~nan, (a < b) | nan, np.isnan(a), a > b, ~np.isnan(b)]
    for bit, column in enumerate(expected):
        assert np.array_equal(y >> bit & 1, column), bit


def rounded(value, bits, least):
    """A fraction to so many significant bits, the nearest even one; its last bit is worth 2**least at least."""
    if value == 0:
        return value
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length() - bits
    while size >= Fraction(2) ** (exponent + bits):
        exponent += 1
    unit = Fraction(2) ** max(exponent, least)
    return round(value / unit) * unit  # Python rounds halves to even


def test_a_product_and_a_sum_are_rounded_once():
    a, b, c = (rng.choice(FINITE, 20000) for _ in range(3))
    # Halfway but for a small number.
    a[:3], b[:3], c[:3] = [1 + 2.0**-10, 2048, 2.0**-24], [32767 / 32768, 1.5, 2.0**-24], [2.0**-24, 2.0**-24, 2049]
    a[3:2000] = (1 + rng.integers(0, 1024, 1997) / 1024) * 2.0 ** rng.integers(-3, 15, 1997)
    b[3:2000], c[3:2000] = 1 + 2.0**-10, np.sign(rng.standard_normal(1997)) * 2.0**-24
    y = run("fused", np.zeros(a.size, np.float16), a, b, c, a.size)
    for p, q, r, got in zip(*(v.tolist() for v in (a, b, c, y)), strict=True):
        exact = rounded(Fraction(p) * Fraction(q) + Fraction(r), 11, -24)
        assert (abs(got) == float("inf") and abs(exact) >= 65536) or Fraction(got) == exact, (p, q, r, got)


def to_bfloat(x):
    """bfloat16 by its rule: the first 16 bits of a float, the nearest even."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return np.where(np.isnan(x), 0x7FFF, (bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def from_bfloat(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def test_bfloat16_by_its_rule():
    x = np.concatenate([rng.integers(0, 2**32, 200000, dtype=np.uint32).view(np.float32), from_bfloat(ALL),
                        (ALL.astype(np.uint32) << 16 | 0x8000).view(np.float32)])  # fmt: skip
    y = run("narrow", np.zeros((2, x.size), np.uint16), x, x.size)
    assert np.array_equal(y[0], to_bfloat(x))
    number = ~np.isnan(x)
    assert np.array_equal(y[1][number], (x.view(np.uint32) >> 16).astype(np.uint16)[number])


def test_arithmetic_of_bfloat16_is_rounded_once():
    a, b = rng.permutation(ALL), rng.permutation(ALL)
    a[:30000], b[:30000] = (rng.integers(0x3800, 0x4800, 30000, dtype=np.uint16) for _ in range(2))
    a[30000:40000], b[30000:40000] = (
        rng.integers(0x1000, 0x2800, 10000, dtype=np.uint16) for _ in range(2)
    )  # tiny ones
    y = from_bfloat(run("brain", np.zeros((5, a.size), np.uint16), a, b, a.size))
    p, q = from_bfloat(a).tolist(), from_bfloat(b).tolist()
    checked = 0
    for i in range(0, 65536, 13):
        if not (np.isfinite(p[i]) and np.isfinite(q[i]) and q[i]):
            continue
        s, t = Fraction(p[i]), Fraction(q[i])
        for row, exact in enumerate((s + t, s - t, s * t, s / t, s * t + s)):
            expected, got = rounded(exact, 8, -133), float(y[row, i])
            if abs(expected) >= 2**128:
                assert abs(got) == float("inf")
            else:
                assert Fraction(got) == expected, (row, p[i], q[i], got)
            checked += 1
    assert checked > 20000


def test_what_double_does_not_hold_tips_the_scales():
    """7 · 37 = 259 lies halfway between 258 and 260; double holds no 2^-100 beside it."""
    a, b = np.full(4, 7.0, np.float32), np.array([37, 37, -37, -37], np.float32)
    c = np.array([2.0**-100, -(2.0**-100), 2.0**-100, -(2.0**-100)], np.float32)
    y = run("brain_fused", np.zeros(4, np.uint16), *map(to_bfloat, (a, b, c)), 4)
    assert from_bfloat(y).tolist() == [260, 258, -258, -260]


def test_whole_numbers_of_64_bits_are_rounded_once():
    x = np.array([2**62 + 2**54, 2**62 + 2**54 + 1, -(2**62 + 2**54 + 1), 2**53 + 1, 2049, 2051, -2051, 0], np.int64)
    y, z = np.zeros(x.size, np.float16), np.zeros(x.size, np.uint16)
    run("from_ll", y, z, x, x.size)
    assert y[4:].tolist() == [2048, 2052, -2052, 0]
    assert from_bfloat(z)[:3].tolist() == [2.0**62, 2.0**62 + 2.0**55, -(2.0**62 + 2.0**55)]


def test_atomics_and_shuffles():
    x = np.full(300, 1 + 2.0**-10, np.float16)
    y, z, w = np.zeros(1, np.float16), np.zeros((1, 2), np.float16), np.zeros(1, np.uint16)
    run("sums", y, z, w, x, 300)
    expected = np.float16(0)
    for value in x:
        expected = expected + value
    assert y[0] == z[0, 0] == z[0, 1] == expected and from_bfloat(w)[0] == 256  # 256 + 1 is 256 in bfloat16
    y, x = np.zeros(32, np.float16), np.arange(32).astype(np.float16)
    MODULE["reduced"](1, 32, y, x)
    assert (y == 496).all()


def test_pairs_and_single_numbers_as_arguments():
    x, y = rng.standard_normal((9, 2)).astype(np.float16), np.zeros((9, 2), np.float16)
    run("turned", y, x, 2.0, (1, -1), 9)
    same(y, x[:, ::-1] * np.float16(2) + np.array([1, -1], np.float16))
    with pytest.raises(TypeError, match="expected float16 for half2"):
        run("turned", np.zeros((9, 2), np.float32), x, 2.0, (1, -1), 9)
    assert repr(MODULE["turned"]).startswith("<kernel turned(half2* y, const half2* x, half factor, half2 more, int n)")


def test_halves_are_checked():
    x, y = np.ones(40, np.float16), np.full(40, np.nan, np.float16)
    source = (
        "#include <cuda_fp16.h>\n__global__ void k(half* y, const half* x) { y[threadIdx.x] = x[threadIdx.x + 1]; }"
    )
    (found,) = emulator.Module(source)["k"].check(1, 40, y, x).findings
    assert found.kind == "out of bounds" and "2 bytes of x[40]" in found.message
    race = source.replace("x[threadIdx.x + 1]", "y[threadIdx.x ^ 1]")
    assert {f.kind for f in emulator.Module(race)["k"].check(1, 40, x.copy(), x).findings} == {"race"}


def test_by_way_of_ptx_there_are_no_halves():
    with pytest.raises(emulator.CompileError, match="takes no cooperative groups, half or tensor cores"):
        emulator.load(Path(__file__).with_name("half.cu"), via="ptx")["fused"]
