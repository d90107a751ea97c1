"""What is installed: a wheel holds the kernels and the data, an editable install no copy of the kernels, and an edited
kernel is the one that runs, whichever way minivit was installed."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from minivit.devices.launch import KERNELS

ROOT = Path(__file__).parents[1]
CODE = "minivit", "kernels"
FORMULA = "return x * gelu_cdf<T, KIND>(x);"

RUN = """
import site, sys
site.addsitedir(sys.argv[1])
import numpy as np
import minivit
from minivit.devices.launch import KERNELS
from minivit.devices import get_device
print(KERNELS, minivit.__path__[0], *get_device("emulator").ops.gelu_forward(np.ones(2, np.float32))[0])
"""


def built(checkout, build, folder):
    """What pip makes of a checkout, unpacked as pip would do it. build: a function of PEP 517 or 660."""
    code = f"from hatchling.build import {build}; {build}({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=checkout, check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(folder / "unpacked")
    return folder / "unpacked"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout that a test may change."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in (*CODE, "pyproject.toml", "README.md", "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    return built(checkout, "build_wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def editable(checkout, tmp_path_factory):
    return built(checkout, "build_editable", tmp_path_factory.mktemp("editable"))


def run(site):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-S", "-c", RUN, str(site)]
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    done = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kernels, package, *numbers = done.stdout.split()
    return Path(kernels), Path(package), numbers


def test_the_wheel_holds_every_file(wheel):
    here = {path.relative_to(ROOT) for name in CODE for path in (ROOT / name).rglob("*") if path.is_file()}
    here = {path for path in here if "__pycache__" not in path.parts}
    there = {path.relative_to(wheel) for path in (wheel / "minivit").rglob("*") if path.is_file()}
    assert there == {Path("minivit") / path if path.parts[0] == "kernels" else path for path in here}
    assert sum(path.suffix == ".cu" for path in there) >= 8
    assert {"digits.npz", "digits_vit.npz", "digits_vit.json", "runtime.cpp", "py.typed"} <= {
        path.name for path in there
    }


def test_an_editable_install_has_no_copy(editable):
    assert {path.suffix for path in editable.rglob("*") if path.is_file() and "dist-info" not in str(path)} == {".pth"}


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_an_edited_kernel_is_the_one_that_runs(request, checkout, how):
    site = request.getfixturevalue(how)
    code, kernels = (site, site / "minivit" / "kernels") if how == "wheel" else (checkout, checkout / "kernels")
    assert run(site) == (kernels, code / "minivit", ["0.8413447"] * 2)
    kernel = kernels / "gelu.cu"
    text = kernel.read_text(encoding="utf-8")
    assert text.count(FORMULA) == 1
    kernel.write_text(text.replace(FORMULA, "return T(7);"), encoding="utf-8")
    assert run(site) == (kernels, code / "minivit", ["7.0"] * 2)
    kernel.write_text(text, encoding="utf-8")
    assert run(site) == (kernels, code / "minivit", ["0.8413447"] * 2)


def test_the_folder_of_kernels_holds_kernels_alone():
    assert {path.suffix for path in KERNELS.iterdir()} == {".cu", ".cuh"}
