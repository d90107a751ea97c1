"""What the tests of the kernels share: run rows of the launch table on the emulator, and judge what they wrote.

A test file names its kernels once, so that each .cu becomes one library and not one a kernel. Outputs start as NaN, so
that what a kernel forgets to write is seen:

    compile_together(every_launch())
    y = nans((rows, width), dtype)
    run(launch, y, mean, rstd, x, gamma, beta, rows, width, eps)
    assert_close_to_reference(y, reference64, reference32, magnitude)
"""

import functools
import importlib.metadata
import itertools
import os
from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from minivit import emulator
from minivit.devices import get_device
from minivit.devices.launch import KERNELS, Launch

if TYPE_CHECKING:
    from minivit.emulator.trace.profile import ProfileReport


def has_gpu() -> bool:
    try:
        import cupy
    except ImportError:
        return False
    return cupy.is_available()


SOURCE_AND_PTX = pytest.mark.parametrize("via", ["source", "ptx"] + ["gpu"] * has_gpu())
SOURCE_AND_GPU = pytest.mark.parametrize("via", ["source"] + ["gpu"] * has_gpu())
FLOAT_AND_DOUBLE = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float", "double"])
# Models and operations: on each device with one type of number. What chooses a kernel is the same code, and each kernel
# is tried in both by itself. The stand-in is that for CuPy; on a GPU, where there is one, both are.
WITH_ONE_TYPE = [("emulator", np.float64), ("stand-in", np.float32)]
WITH_ONE_TYPE += [("gpu", dtype) for dtype in (np.float32, np.float64)] * has_gpu()
ON_DEVICES = pytest.mark.parametrize(
    ("device", "dtype", "bound"), [("emulator", np.float64, 1e-12), ("cuda", np.float32, 1e-4)]
)
ORDERS = (0, 1, 2)  # of the threads, warps and blocks: a right kernel gives the same bits in each
PACKAGES = {
    "cupy": ("cupy-cuda13x", "cupy-cuda12x"),
    "nvrtc": ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12"),
    "nvdisasm": ("nvidia-cuda-nvdisasm",),
    "cuobjdump": ("nvidia-cuda-cuobjdump",),
}

_names: defaultdict[tuple[str, str], set[str]] = defaultdict(set)  # by file and via: the kernels of one library


def need(tool: str) -> None:
    """Skip the test, visibly, where the tool's package is missing; fail when MINIVIT_NO_SKIP=1, which CI sets."""
    for package in PACKAGES[tool]:
        try:
            importlib.metadata.version(package)
            return
        except importlib.metadata.PackageNotFoundError:
            pass
    say = pytest.fail if os.environ.get("MINIVIT_NO_SKIP") == "1" else pytest.skip
    say(f"{tool} is missing: pip install {PACKAGES[tool][0]}")


def compile_together(launches: Iterable[Launch], paths: Iterable[str] = ("source", "ptx")) -> None:
    """These kernels, and all others named before the first of their file is run, become one library.

    paths: PTX takes longer to compile, so name "ptx" only for kernels that are run that way.
    """
    for launch, via in itertools.product(launches, paths):
        _names[launch.file, via].add(launch.kernel)


@functools.cache
def _module(file: str, via: str) -> emulator.Module:
    module = emulator.load(KERNELS / file, via=via)
    module.compile(sorted(_names[file, via]))
    return module


def run(launch: Launch, *arguments: object, via: str = "source", order: int = 0) -> None:
    """Run the launch: outputs are changed in place.

    via: "source" or "ptx" on the emulator, in the `order` of its schedule; "gpu" through CuPy.
    """
    if via == "gpu":
        return _run_on_gpu(launch, arguments)
    if via == "ptx":
        need("nvrtc")
    typed = launch.typed(arguments)
    kernel = _module(launch.file, via)[launch.kernel]
    kernel(launch.grid, launch.block, *typed, shared=launch.shared, order=order)


def _run_on_gpu(launch: Launch, arguments: tuple) -> None:
    cuda = get_device("cuda")
    there = [cuda.asarray(value) if isinstance(value, np.ndarray) else value for value in arguments]
    cuda.launch(launch, *there)
    for value, result in zip(arguments, there, strict=True):
        if isinstance(value, np.ndarray):
            value[...] = cuda.to_numpy(result)


def run_by_name(launches: Iterable[Launch], values: dict[str, object], via: str = "source", order: int = 0) -> None:
    """Run launches one after another; each finds its arguments in `values` by the names that its row gives them."""
    for launch in launches:
        run(launch, *(values[name] for name in launch.names), via=via, order=order)


def profile(launch: Launch, values: dict[str, object]) -> "ProfileReport":
    """What the launch asks of memory."""
    kernel = traced(emulator.load(KERNELS / launch.file), launch.kernel)
    return kernel.profile(*_call(launch, values), shared=launch.shared)


def traced(module: emulator.Module, name: str) -> emulator.Kernel:
    """A kernel compiled for the checker alone: module[name] would compile it once more, to be run."""
    built, number = module.built(name, "trace")
    parameters = module.kernels[name.split("<")[0].split("::")[-1]].parameters
    return emulator.Kernel(module, name, built.signature(number), parameters)


def _call(launch: Launch, values: dict[str, object]) -> tuple:
    return launch.grid, launch.block, *launch.typed([values[name] for name in launch.names])


def values_for(launches: Iterable[Launch], shapes: dict[str, tuple[int, ...]], **given: object) -> dict[str, object]:
    """Arguments by name: those given, and arrays of these shapes: NaN where a launch writes, else random, positive."""
    values = dict(given)
    rng = np.random.default_rng(0)
    for launch in launches:
        for argument, name in zip(launch.arguments, launch.names, strict=True):
            if name in values:
                continue
            if argument.startswith("out"):
                values[name] = nans(shapes[name], launch.dtype)
            else:
                values[name] = np.abs(rng.standard_normal(shapes[name])).astype(launch.dtype)
    return values


def nans(shape: int | tuple[int, ...], dtype: type) -> np.ndarray:
    return np.full(shape, np.nan, dtype)


def assert_close_to_reference(
    got: np.ndarray,
    reference64: np.ndarray,
    reference32: np.ndarray,
    magnitude: np.ndarray | float,
    *,
    factor: float = 2,
    terms: float = 8,
) -> None:
    """The project's rule of what is close.

    float:  |got − reference64| ≤ factor · max |reference32 − reference64| + terms · eps · magnitude
    double: |got − reference64| ≤ 1e-10

    reference64, reference32: what NumPy makes of the same inputs, the float ones, in float64 and in float32.
    magnitude: of the terms that are summed, Σ|…|, an array like got or a number: cancellation may not be held against a
    kernel. factor and terms are raised for kernels that sum a row in sequence, and the test says why.
    """
    assert got.shape == reference64.shape
    bad = ~np.isfinite(got)
    assert not bad.any(), f"{bad.sum()} of {bad.size} elements are NaN or infinite (NaN: perhaps never written)"
    assert np.isfinite(reference64).all()
    error = np.abs(got.astype(np.float64) - reference64)
    if got.dtype == np.float64:
        bound = np.full_like(error, 1e-10)
    else:
        assert got.dtype == reference32.dtype == np.float32
        float32_error = np.max(np.abs(reference32.astype(np.float64) - reference64))
        bound = factor * float32_error + terms * np.finfo(np.float32).eps * np.broadcast_to(magnitude, error.shape)
    excess = error - bound
    worst = np.unravel_index(np.argmax(excess), error.shape)
    assert excess[worst] <= 0, (
        f"at {tuple(map(int, worst))}: {got[worst]:.9g}, expected {reference64[worst]:.9g}: "
        f"off by {error[worst]:.2e}, allowed {bound[worst]:.2e}"
    )


def assert_same_bits_in_every_order(launches: Iterable[Launch], values: dict[str, object], via: str = "source") -> None:
    """Does nothing in the kernels depend on who comes first? Outputs must be equal to the last bit in each order."""
    launches = list(launches)
    names = {name for launch in launches for name in _written(launch)}
    results = []
    for order in ORDERS:
        copies = {name: value.copy() if name in names else value for name, value in values.items()}
        run_by_name(launches, copies, via, order)
        results.append(copies)
    for name in names:
        first = results[0][name]
        assert not np.isnan(first).any(), name
        for other in results[1:]:
            np.testing.assert_array_equal(first.view(np.uint8), other[name].view(np.uint8), err_msg=name)


def _written(launch: Launch) -> list[str]:
    kinds = [argument.split()[0] for argument in launch.arguments]
    return [name for name, kind in zip(launch.names, kinds, strict=True) if kind in ("out", "inout")]
