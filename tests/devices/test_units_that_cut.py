"""A GPU's tensor cores cut their sums where the emulator's round them (Fasi et al., PeerJ Computer Science 7:e330):
three terms must be as exact as floats there, too. Here mma.sync is made to cut, in the text of the kernels.
"""

import numpy as np
import pytest
from attention_support import SMALL, both, magnitudes, reference, values
from kernel_support import assert_close_to_reference, run_by_name

from minivit import emulator
from minivit.devices.launch import KERNELS
from minivit.emulator.includes import flatten

FILE, THREE_TERMS, N = "attention_tensor.cu", (8, 6), 400  # a long sum: what is cut off adds up
MMA, BEFORE = "void mma(", "// D += A B."
CUT = """
__device__ __forceinline__ float cut_sum(float a, float b) {
    double sum = double(a) + double(b);
    float near = float(sum);
    return fabs(double(near)) > fabs(sum) ? __uint_as_float(__float_as_uint(near) - 1) : near;
}
__device__ __forceinline__ void mma(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4],
                                    const unsigned (&b)[2]) {
    float e0 = 0, e1 = 0, e2 = 0, e3 = 0;
    rounded_mma(e0, e1, e2, e3, a, b);
    d0 = cut_sum(d0, e0), d1 = cut_sum(d1, e1), d2 = cut_sum(d2, e2), d3 = cut_sum(d3, e3);
}
"""
FROM_NOTHING, ON_TOP = "float s0 = 0, s1 = 0, s2 = 0, s3 = 0;", "float s0 = d0, s1 = d1, s2 = d2, s3 = d3;"


def made_to_cut(*changes: tuple[str, str]) -> emulator.Module:
    text = flatten(KERNELS / FILE)
    for old, new in (*changes, (MMA, "void rounded_mma("), (BEFORE, CUT + BEFORE)):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return emulator.Module(text, FILE)


def check(module: emulator.Module) -> None:
    """Weights that are much alike, and values and gradients of one sign: sums that grow with every product."""
    given = values(1, 1, N, SMALL, np.float32, bias=False)
    given["qkv"], given["dout"] = np.abs(given["qkv"]), np.abs(given["dout"])
    given["qkv"][:, :, 0] /= 16
    for launch in both(THREE_TERMS, 1, 1, N, SMALL, np.float32, False):
        if launch.file != FILE:
            run_by_name([launch], given)
            continue
        arguments = launch.typed(tuple(given[name] for name in launch.names))
        module[launch.kernel](launch.grid, launch.block, *arguments, shared=launch.shared)
    expected64, expected32, magnitude = reference(given, np.float64), reference(given, np.float32), magnitudes(given)
    for name in expected64:
        assert_close_to_reference(given[name], expected64[name], expected32[name], magnitude[name])


def test_three_terms_are_as_exact_as_floats():
    check(made_to_cut())


def test_a_sum_that_is_left_to_the_unit_is_not():
    """What a product adds is added on top of all before it, and cut: the errors have one sign."""
    sums = [(f"d{i} += s{i};", f"d{i} = s{i};") for i in range(4)]
    with pytest.raises(AssertionError):
        check(made_to_cut((FROM_NOTHING, ON_TOP), *sums))
