"""The back end for a GPU: CuPy's arrays, its matrix products (cuBLAS) and its compiler for our kernels (NVRTC)."""

from types import ModuleType
from typing import Any

import numpy as np

from ..emulator.includes import flatten
from ..emulator.source import in_ascii
from .device import DeviceError
from .kernel_ops import KernelOps
from .launch import KERNELS, ROOM, SHARED, Launch
from .random import Philox

OPTIONS = ("--std=c++17",)  # and CuPy adds -ftz=true: floats below 1.2e-38 count as zero
NULL = np.intp(0)  # older releases of CuPy make something else of None


class Cuda:
    """device="cuda". Launches go to CuPy's current stream and device; nothing here waits for the GPU."""

    name = "cuda"
    threads = 1  # one thread feeds the GPU
    whole_batches = True

    def __init__(self) -> None:
        self._cupy = _import_cupy()
        self._kernels: dict[str, Any] = {}
        gpu = self._cupy.cuda.Device()
        self.capability = int(gpu.compute_capability)  # 90 is 9.0
        self.room = min(ROOM, gpu.attributes["MaxSharedMemoryPerBlockOptin"])  # what has been tried
        self.ops = KernelOps(self)
        self.adamw_update, self.move_images = self.ops.adamw_update, self.ops.move_images

    def asarray(self, array: np.ndarray) -> Any:
        return self._cupy.asarray(array)

    def to_numpy(self, array: Any) -> np.ndarray:
        return self._cupy.asnumpy(array)

    def generator(self, seed: np.random.SeedSequence) -> Any:
        # CuPy's own would set up a state for each of the GPU's threads, in every step.
        return Philox(self, seed)

    def empty(self, shape: int | tuple[int, ...], dtype: np.dtype) -> Any:
        return self._cupy.empty(shape, dtype)

    def launch(self, launch: Launch, *arguments: object) -> None:
        """Start a kernel: its arguments checked, since CuPy does not."""
        kernel = self._kernels.get(launch.kernel) or self._compiled(launch)
        if launch.shared > SHARED:  # more than 48 KB must be asked for
            kernel.max_dynamic_shared_size_bytes = launch.shared
        typed = launch.typed(arguments)
        if launch.optional:
            typed = [NULL if value is None else value for value in typed]
        kernel(launch.grid, launch.block, tuple(typed), shared_mem=launch.shared)

    def _compiled(self, launch: Launch) -> Any:
        """The kernel, when it is first launched; CuPy keeps it on disk, by the text that `flatten` makes."""
        if launch.least > self.capability:
            needs, has = (f"{number // 10}.{number % 10}" for number in (launch.least, self.capability))
            raise DeviceError(f"{launch.kernel} needs compute capability {needs}, and this GPU has {has}")
        module = self._cupy.RawModule(
            code=in_ascii(flatten(KERNELS / launch.file)), options=OPTIONS, name_expressions=(launch.kernel,)
        )
        self._kernels[launch.kernel] = kernel = module.get_function(launch.kernel)
        return kernel


def _import_cupy() -> ModuleType:
    try:
        import cupy
    except ImportError as error:
        raise DeviceError(
            f'device="cuda" needs CuPy ({error}): pip install "minivit[cuda13]" (drivers of 2025 and newer) or '
            '"minivit[cuda12]"; device="emulator" runs the same kernels on the CPU'
        ) from error
    if not cupy.is_available():
        raise DeviceError(
            'device="cuda" finds no GPU: CuPy is installed, but no NVIDIA driver or no device answers (does nvidia-smi '
            'list one?); device="emulator" runs the same kernels on the CPU'
        )
    return cupy
