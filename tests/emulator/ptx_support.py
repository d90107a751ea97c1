"""What the tests of the PTX path share. Single instructions are tested as inline assembly, each in a kernel of its own:

    CASES["add.s32 %0, %1, %2;"] = "r:rr", lambda a, b: a + b

gives the letters of the result and the operands (inline assembly's: h, r, l are whole numbers of 16, 32, 64 bits, f, d
reals), and the same in exact arithmetic. Whole numbers come as unsigned Python integers, reals as NumPy's.
"""

import os
import re

import numpy as np
import pytest

from minivit import emulator
from minivit.emulator.ptx import nvrtc

N = 400  # operands of each instruction
LETTERS = {"h": np.uint16, "r": np.uint32, "l": np.uint64, "f": np.float32, "d": np.float64}
CUDA = {"h": "unsigned short", "r": "unsigned", "l": "unsigned long long", "f": "float", "d": "double"}


def need_nvrtc() -> None:
    """Skip the test, visibly, where NVRTC is missing; fail when MINIVIT_NO_SKIP=1, which CI sets."""
    if not nvrtc.available():
        (pytest.fail if os.environ.get("MINIVIT_NO_SKIP") == "1" else pytest.skip)(nvrtc.MISSING)


def signed(x: int, bits: int) -> int:
    """The number whose lowest bits these are, the highest of them being the sign."""
    x &= (1 << bits) - 1
    return x - (1 << bits) if x >> (bits - 1) else x


def operands(count: int, instruction: str) -> str:
    """ "add.s32 %0, %1, %2;" for the instruction "add.s32" of two operands."""
    return f"{instruction} {', '.join(f'%{n}' for n in range(count + 1))};"


def as_number(test: str) -> str:
    """Assembly whose result is 1 where an instruction that gives a predicate says yes."""
    name, _, rest = test.partition(" ")
    return f"{{.reg .pred p; {name} p, {rest}; selp.u32 %0, 1, 0, p;}}"


def title(assembly: str) -> str:
    return " ".join(re.findall(r"\b[a-z][a-z0-9]*\.[\w.]+", assembly)[-2:])


def values(letter: str, seed: int) -> np.ndarray:
    """N numbers: many that lie at the edge of something, and others of all sizes."""
    rng, dtype = np.random.default_rng(seed), LETTERS[letter]
    if letter in "hrl":
        bits = np.iinfo(dtype).bits
        edges = [0, 1, 2, 3, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, 255, 256]
        edges += [2 ** (bits - 1) - 1, 2 ** (bits - 1), 2**bits - 1, 2**bits - 2]
        random = rng.integers(0, 2**bits - 1, N, dtype, endpoint=True) >> rng.integers(0, bits, N).astype(dtype)
        return np.where(rng.random(N) < 0.4, rng.choice(np.array(edges, dtype), N), random)
    tiny, largest = float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    edges = [0, -0.0, 0.5, -0.5, 1, -1, 1.5, 2.5, -2.5, tiny, tiny / 8, -tiny / 8, np.inf, -np.inf, np.nan, largest]
    edges += [2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64, 65535.5, -32769, 1e-30, 3e10]
    random = rng.standard_normal(N) * 2.0 ** rng.integers(-30, 40, N)
    with np.errstate(all="ignore"):
        return np.where(rng.random(N) < 0.4, rng.choice(np.array(edges), N), random).astype(dtype)


def compile_cases(cases: dict[str, tuple]) -> emulator.Module:
    """One library with a kernel for each case."""
    need_nvrtc()
    kernels = []
    for number, (assembly, (types, _)) in enumerate(cases.items()):
        out, letters = types.split(":")
        names = list(zip(letters, "abc", strict=False))
        parameters = "".join(f", const {CUDA[letter]}* {name}" for letter, name in names)
        inputs = ", ".join(f'"{letter}"({name}[i])' for letter, name in names)
        body = f'{CUDA[out]} x; asm("{assembly}" : "={out}"(x) : {inputs}); y[i] = x;'
        kernels.append(f"__global__ void case_{number}({CUDA[out]}* y{parameters}) {{ int i = threadIdx.x; {body} }}")
    module = emulator.Module("\n".join(kernels), via="ptx")
    module.compile([f"case_{number}" for number in range(len(cases))])
    return module


def check_case(cases: dict[str, tuple], module: emulator.Module, assembly: str) -> None:
    types, function = cases[assembly]
    out, letters = types.split(":")
    inputs = [values(letter, seed) for seed, letter in enumerate(letters)]
    y = np.zeros(N, LETTERS[out])
    module[f"case_{list(cases).index(assembly)}"](1, N, y, *inputs)
    rows = zip(*([int(v) for v in x] if x.dtype.kind == "u" else x for x in inputs), strict=True)
    with np.errstate(all="ignore"):
        results = [function(*row) for row in rows]
    if y.dtype.kind == "u":
        results = [int(result) & np.iinfo(y.dtype).max for result in results]
    np.testing.assert_array_equal(y, np.array(results, y.dtype))
