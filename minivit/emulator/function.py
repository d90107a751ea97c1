"""A function of the host that Python calls with arrays: `extern "C" void solve(...)`, the form of online judges."""

import os
from collections.abc import Sequence

import numpy as np

from .arguments import Arguments, Parameter
from .errors import LaunchError, UnknownKernelError
from .library import open_library
from .module import Module, load
from .program import MEMORY, SECONDS, ProgramReport, carry_out
from .source import find_functions
from .trace.program_worker import Call, Given

HOMES = {"device": 1, "managed": 3}


class Function:
    """A function of the host, called as in Python: solve(a, b, c, n). Arrays are changed in place."""

    def __init__(self, module: Module, name: str, memory: str = "device"):
        if memory not in HOMES:
            raise ValueError(f"memory is {memory!r}, expected {' or '.join(map(repr, HOMES))}")
        there = find_functions(module.source)
        names = there.get(name)
        if names is None and name in module.kernels:
            raise UnknownKernelError(f"{name} is a kernel: it is launched, {name}<<<grid, block>>>(...)")
        if names is None:
            known = ", ".join(there) or "none"
            raise UnknownKernelError(
                f"{module.name} has no function {name!r} of the host that returns void; it has {known}"
            )
        if not module.hosted:
            raise UnknownKernelError(f"{module.name}: {name} launches no kernel, by kernel<<<grid, block>>>(...)")
        self.module, self.name, self.memory = module, name, memory
        signature = open_library(module.compile_function(name)).signature(0)
        self.parameters = [Parameter(name, code) for name, code in zip(names, signature, strict=True)]

    def __call__(self, *args: object, seconds: float = SECONDS, memory: int = MEMORY, order: int = 0) -> None:
        """Run it, in a process of its own; what its pointers point to lies in device memory meanwhile.

        args are NumPy arrays, None for a null pointer, and numbers. order: see Kernel.__call__. Raises LaunchError for
        what a kernel or a call of CUDA's did wrong; then the arrays are as they were.
        """
        arguments, report, arrays, error = self._run(args, (), "run", seconds, memory, order)
        if error or arrays is None:
            raise LaunchError(f"{self.name}: {error or f'it ended the process, with exit status {report.status}'}")
        for buffer, content in zip(arguments.buffers, arrays, strict=True):
            if content is None:
                names = " and ".join(parameter.name for parameter, _ in buffer.arrays)
                raise LaunchError(f"{self.name} has freed {names}, which is its caller's")
            buffer.inside[:] = np.frombuffer(content, np.uint8)
        arguments.finish()

    def check(
        self,
        *args: object,
        outputs: Sequence[str] | None = None,
        seconds: float = SECONDS,
        memory: int = MEMORY,
        order: int = 0,
        aside: bool = False,
    ) -> ProgramReport:
        """Run it and look for mistakes, in its launches and in what it asks of CUDA. Returns a report: print it.

        outputs: the arrays that it is to fill, if not those that come filled with NaN. The arrays stay as they are.
        """
        if outputs is None:
            outputs = [
                p.name
                for p, a in zip(self.parameters, args, strict=False)
                if p.pointer and not p.constant and isinstance(a, np.ndarray) and a.dtype.kind == "f"
                and a.size and np.isnan(a).all()
            ]  # fmt: skip
        return self._run(args, outputs, "check", seconds, memory, order, aside)[1]

    def _run(self, args, outputs, mode, seconds, memory, order, aside=False):
        arguments = Arguments(self.name, self.parameters, args)
        place, given = self.parameters.index, []
        for buffer in arguments.buffers:
            numbers = sorted(place(parameter) for parameter, _ in buffer.arrays)
            if len(numbers) > 1:
                shared = " and ".join(self.parameters[i].name for i in numbers)
                raise ValueError(f"{self.name}: {shared} share memory: pass copies")
            name = self.parameters[numbers[0]].name
            given.append(Given(numbers[0], name, buffer.inside.copy(), name in outputs))
        call = Call(arguments.slots.copy(), tuple(given), HOMES[self.memory])
        library = self.module.compile_function(self.name, "run" if mode == "run" else "trace")
        report, back = carry_out(self.module, library, (), mode, seconds, memory, order, aside, call)
        return arguments, report, back.arrays if back else None, back.error if back else ""

    def __repr__(self) -> str:
        return f"<function {self.name}({', '.join(f'{p} {p.name}' for p in self.parameters)}) of {self.module.name}>"


def host_function(
    source: Module | str | os.PathLike,
    name: str = "solve",
    *,
    memory: str = "device",
    include: Sequence[str | os.PathLike] = (),
) -> Function:
    """The function of the host `name` of a .cu file, or of a Module: `extern "C" void solve(...)`.

    memory: where its pointers point to, "device" or "managed" (the host's code may read it, too). Raises
    UnknownKernelError where the file has no such function, CompileError where it does not compile.
    """
    module = source if isinstance(source, Module) else load(source, include=include)
    return Function(module, name, memory)
