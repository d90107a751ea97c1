"""The drawings of memory say what the profiler counted."""

import numpy as np
import pytest
from draw_support import ALT, check, has_colour, words

from minivit import draw, emulator
from minivit.draw.requests import sectors, turns

ACCESSES = {
    "y[t] = x[t];": "32 lanes ask for 128 bytes: 4 sectors move (128 bytes)",
    "y[t] = x[t + 1];": "32 lanes ask for 128 bytes: 5 sectors move (160 bytes)",
    "y[t] = x[32 * t];": "32 lanes ask for 128 bytes: 32 sectors move (1,024 bytes)",
    "y[t] = x[7];": "32 lanes ask for 128 bytes: 1 sector moves (32 bytes)",
    "if (t == 5) y[t] = x[t];": "1 lane asks for 4 bytes: 1 sector moves (32 bytes)",
    "if (t < 9) y[t] = x[t * t];": "9 lanes ask for 36 bytes: 7 sectors move (224 bytes)",
    "float4 v = ((const float4*)x)[t]; y[t] = v.x + v.y + v.z + v.w;": (
        "32 lanes ask for 512 bytes: 16 sectors move (512 bytes)"
    ),
}
BANKS = {
    "v = box[t]": "no conflict: 1 turn",
    "v = box[5]": "no conflict: 1 turn",
    "v = box[4 * t]": "4-way conflict: 4 turns",
    "v = box[32 * t]": "32-way conflict: 32 turns",
    "v = box[33 * t]": "no conflict: 1 turn",
    "v = ((double*)box)[t]": "no conflict: 2 turns (at least 2, for 8 bytes a lane)",
    "v = sum(((float4*)box)[8 * t])": "8-way conflict: 32 turns (at least 4, for 16 bytes a lane)",
    "if (t > 20) v = sum(((float4*)box)[t])": "no conflict: 2 turns (at least 2, for 16 bytes a lane)",
    "v = atomicAdd(box, 1)": "32-way lanes on one word take turns: 32 turns",
}


@pytest.fixture(scope="module")
def module():
    text = ["__device__ float sum(float4 v) { return v.x + v.y + v.z + v.w; }"]
    for i, line in enumerate(ACCESSES):
        text.append(f"__global__ void access_{i}(float* y, const float* x) {{ int t = threadIdx.x;\n{line}\n}}")
    for i, line in enumerate(BANKS):
        text.append(
            f"__global__ void banks_{i}(float* y) {{ int t = threadIdx.x; extern __shared__ __align__(16) float box[];"
            f"\nfor (int k = t; k < 2048; k += 32) box[k] = k; __syncthreads(); float v = 0;\n{line};\ny[t] = v; }}"
        )
    module = emulator.Module("\n".join(text), "drawn.cu")
    module.compile(module.kernels, "trace")
    return module


@pytest.mark.parametrize("line", ACCESSES)
def test_addresses(module, line):
    kernel = module[f"access_{list(ACCESSES).index(line)}"]
    report = kernel.profile(1, 32, np.zeros(32, np.float32), np.ones(2048, np.float32))
    (counted,) = [row for row in report.lines if row.array == "x"]
    picture = draw.addresses(report, counted.line, array="x", alt=ALT)
    pixels = check(picture)
    assert ACCESSES[line] in words(picture)
    (request,) = [one for one in report.addresses(counted.line) if one.array == "x"]
    assert len(sectors(request)) == counted.moved
    assert has_colour(pixels, "#0072B2")
    wasted = counted.moved * 32 > len(set(request.offsets.tolist()) - {-1}) * counted.size
    # The colour is in the legend too, a little of it.
    assert ((np.abs(pixels.astype(int) - (0xF8, 0xD9, 0xC4)).max(axis=-1) < 8).sum() > 700) == wasted


def test_one_float_of_a_sector_is_seen(module):
    """With 32 sectors side by side it is a sliver, which no frame may hide."""
    kernel = module[f"access_{list(ACCESSES).index('y[t] = x[32 * t];')}"]
    report = kernel.profile(1, 32, np.zeros(32, np.float32), np.ones(2048, np.float32))
    (line,) = [row.line for row in report.lines if row.array == "x"]
    blue = np.abs(check(draw.addresses(report, line, array="x", alt=ALT)).astype(int) - (0, 0x72, 0xB2)).max(-1) < 40
    columns = blue.sum(0) > 20  # pixels, of the 31 from a sector's top to its bottom
    assert (np.diff(columns.astype(int)) == 1).sum() == 32
    assert columns.sum() >= 64


@pytest.mark.parametrize("line", BANKS)
def test_banks(module, line):
    report = module[f"banks_{list(BANKS).index(line)}"].profile(1, 32, np.zeros(32, np.float32), shared=8192)
    counted = [row for row in report.lines if row.space == "shared"][-1]
    picture = draw.banks(report, counted.line, alt=ALT)
    pixels = check(picture)
    assert BANKS[line] in words(picture)
    parts = turns(report.addresses(counted.line)[0])
    assert sum(len(part) for part in parts) == counted.moved
    assert max(len(part) for part in parts) == counted.most
    assert has_colour(pixels, "#D55E00") == (counted.most > 1)


def test_errors(module):
    report = module["access_0"].profile(1, 32, np.zeros(32, np.float32), np.ones(64, np.float32))
    line = report.lines[0].line
    with pytest.raises(ValueError, match=rf"line 999 makes no request in global memory, expected .*{line} \(x\)"):
        draw.addresses(report, 999, alt=ALT)
    with pytest.raises(ValueError, match="no request to 'z' in global memory"):
        draw.addresses(report, line, array="z", alt=ALT)
    with pytest.raises(ValueError, match="request is 5, expected 0 to"):
        draw.addresses(report, line, array="x", request=5, alt=ALT)
    with pytest.raises(ValueError, match="in shared memory, expected one of the lines none"):
        draw.banks(report, line, alt=ALT)
    with pytest.raises(TypeError, match="profile is a str"):
        draw.banks("report", line, alt=ALT)
