"""Loading takes little more memory than the model itself: each tensor is read, laid out and let go."""

import subprocess
import sys

import numpy as np
import pytest
from google_files import google_arrays, stacked

from minivit import ViT, ViTConfig, export_timm

# The most that Python allocated, or by how much the process grew, over the size of the parameters.
MEASURE = """
import re, sys, tracemalloc
from pathlib import Path
from minivit.weights import load_pretrained

def most_resident():  # not getrusage, whose record a child takes over from its parent
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

traced = sys.argv[2] == "traced"
if traced:
    tracemalloc.start()
before = 0 if traced else most_resident()
model = load_pretrained(sys.argv[1], heads=12)
peak = tracemalloc.get_traced_memory()[1] if traced else most_resident() - before
size = sum(array.nbytes for array in model.params.values())
print(peak / size, size)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """100 MB of weights in three layouts."""
    folder = tmp_path_factory.mktemp("large")
    model = ViT(ViTConfig(image_size=32, width=768, depth=4, heads=12, classes=10))
    export_timm(model, folder / "timm.safetensors")
    arrays = google_arrays(model)
    np.savez(folder / "google.npz", **arrays)
    np.savez(folder / "stacked.npz", **stacked(arrays, 4))
    return folder


LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")


@pytest.mark.parametrize("how", ["traced", pytest.param("resident", marks=LINUX)])
@pytest.mark.parametrize("name", ["timm.safetensors", "google.npz", "stacked.npz"])
def test_the_peak_is_at_most_1_3_times_the_weights(folder, name, how):
    command = [sys.executable, "-c", MEASURE, str(folder / name), how]
    ratio, size = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(size) > 10**8
    assert 0.9 < float(ratio) < 1.3
