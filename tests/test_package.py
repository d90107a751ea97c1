"""What is installed: a wheel holds the kernels and the data, an editable install no copy of the kernels, and an edited
kernel is the one that runs, wherever it lies."""

import importlib.metadata
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import minivit
from minivit.gpu.launch import KERNELS

ROOT = Path(__file__).parents[1]

RUN = """
import numpy as np
import minivit
from minivit.gpu.launch import KERNELS
from minivit.gpu.emulated import Emulator
assert KERNELS.is_relative_to(minivit.__path__[0]), KERNELS
print(Emulator().ops.gelu_forward(np.ones(3, np.float32))[0])
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The wheel, as pip would unpack it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "unpacked")
    return folder / "unpacked"


def run(folder):
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", RUN], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_holds_every_file_of_the_package(unpacked):
    here = {path.relative_to(ROOT) for path in (ROOT / "minivit").rglob("*") if path.is_file()}
    here = {path for path in here if "__pycache__" not in path.parts}
    there = {path.relative_to(unpacked) for path in (unpacked / "minivit").rglob("*") if path.is_file()}
    assert there == here
    assert sum(path.suffix == ".cu" for path in there) >= 8
    assert {"digits.npz", "digits_vit.npz", "digits_vit.json"} <= {path.name for path in there}


def test_an_edited_kernel_is_the_one_that_runs(unpacked):
    assert run(unpacked) == "[0.8413447 0.8413447 0.8413447]"
    kernel = unpacked / "minivit" / "kernels" / "gelu.cu"
    text = kernel.read_text(encoding="utf-8")
    assert text.count("return x * gelu_cdf<T, KIND>(x);") == 1
    kernel.write_text(text.replace("return x * gelu_cdf<T, KIND>(x);", "return T(7);"), encoding="utf-8")
    assert run(unpacked) == "[7. 7. 7.]"
    kernel.write_text(text, encoding="utf-8")
    assert run(unpacked) == "[0.8413447 0.8413447 0.8413447]"


def test_an_editable_install_has_no_copy_of_the_kernels():
    assert Path(minivit.__file__).parent / "kernels" == KERNELS and (KERNELS / "gelu.cu").is_file()
    try:
        install = importlib.metadata.distribution("minivit")
    except importlib.metadata.PackageNotFoundError:
        return  # run from a checkout that was not installed
    if '"editable": true' not in (install.read_text("direct_url.json") or ""):
        return  # an ordinary install beside the checkout has its own files, as it should
    copies = {path for path in install.files or () if path.suffix in (".cu", ".cuh", ".cpp", ".h")}
    assert not copies
