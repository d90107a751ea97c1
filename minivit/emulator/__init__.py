"""Run CUDA kernels on the CPU, from their source, with no GPU: the same .cu file, compiled by g++ or clang.

    module = emulator.load("add.cu")
    module["add<float>"](grid, block, y, x, n)

How it works: minivit/emulator/runtime/runtime.h. Slow and exact: it shows whether a kernel is right and what it asks of
the memory, never how fast it would be.
"""

from .compare import Comparison, compare
from .errors import CompileError, EmulatorError, LaunchError, NoCompilerError
from .function import Function, host_function
from .module import Kernel, Module, load

__all__ = [
    "Comparison",
    "CompileError",
    "EmulatorError",
    "Function",
    "Kernel",
    "LaunchError",
    "Module",
    "NoCompilerError",
    "compare",
    "host_function",
    "load",
]
