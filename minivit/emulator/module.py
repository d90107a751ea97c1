"""Kernels in Python: load a .cu file, ask for a kernel by name, call it with NumPy arrays."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from .arguments import Arguments, Parameter
from .build import build_library
from .errors import CompileError, LaunchError, UnknownKernelError
from .library import Library, open_library
from .includes import Text, text_in, text_of
from .posted import has_host_code, has_main, with_launches
from .sizes import STATIC_SHARED, launch_sizes
from .source import dynamic_shared_names, find_kernels, without_comments
from .trace.check import CheckReport, check
from .trace.launch import SECONDS, TracedKernel
from .trace.profile import ProfileReport, profile


HOST_HEADERS = ("cassert", "cmath", "cstdint", "cstdio", "cstdlib", "cstring", "math.h", "limits.h", "float.h", "time.h")


def load(path: str | os.PathLike, *, include: Sequence[str | os.PathLike] = (), via: str = "source") -> "Module":
    """The kernels of a .cu file. Nothing is compiled yet.

    include: more folders to look for headers in. via="ptx": compiled by NVIDIA's NVRTC first, and its PTX is run.
    """
    path = Path(path)
    return Module._of(text_of(path, include), path.name, via)


class Module:
    """The kernels of one CUDA source text: module["add<float>"] is a Kernel."""

    def __init__(
        self,
        source: str,
        name: str = "kernel.cu",
        include: Sequence[str | os.PathLike] = (),
        via: str = "source",
    ):
        self._set(text_in(source, name, include), name, via)

    @classmethod
    def _of(cls, text: Text, name: str, via: str) -> "Module":
        module = cls.__new__(cls)
        module._set(text, name, via)
        return module

    def _set(self, text: Text, name: str, via: str) -> None:
        if via not in ("source", "ptx"):
            raise ValueError(f'via is {via!r}, expected "source" or "ptx"')
        self.source, self.name, self.via, self._system = text.flat, name, via, tuple(text.system)
        self.hosted = bool(text.system) or has_host_code(self.source)  # with code for the host
        self.kernels = find_kernels(self.source)
        self._built: dict[tuple[str, str], tuple[Library, int]] = {}

    def compile(self, names: Iterable[str], mode: str = "run") -> Path:
        """Compile several kernels into one library, which takes less time than one by one. Returns its path."""
        names = [_plain(name) for name in names]
        for name in names:
            self._check_name(name)
        path = build_library(self._code(names), mode, self.source, self.hosted)
        library = open_library(path)
        static = library.static_shared()  # of all its kernels, and some room between the variables
        if len(names) == 1 and static > STATIC_SHARED + 128:
            raise CompileError(
                f"{self.name}: {names[0]} has more than {STATIC_SHARED} bytes of __shared__ variables of fixed size, "
                "which is all that a GPU allows. Make them smaller, or use dynamic shared memory: "
                "extern __shared__ float tile[];"
            )
        for number, name in enumerate(names):
            self._built[name, mode] = library, number
        return path

    def __getitem__(self, name: str) -> "Kernel":
        library, number = self.built(name)
        text = self.kernels.get(_base(name))
        return Kernel(self, _plain(name), library.signature(number), text.parameters if text else ())

    def built(self, name: str, mode: str = "run") -> tuple[Library, int]:
        """The library that holds a kernel, compiled now if it was not, and the kernel's number in it."""
        key = _plain(name), mode
        if key not in self._built:
            self.compile([name], mode)
        return self._built[key]

    def _code(self, names: Sequence[str]) -> str:
        """The C++ text of a library with these kernels."""
        if self.via == "ptx":
            from .ptx.code import ptx_code

            return ptx_code(self, names)
        lines = [f"#include <{header}>" for header in (*self._system, *HOST_HEADERS)] if self.hosted else []
        lines += ["#define EMULATOR_HOSTED"] if self.hosted else []
        lines += ['#include "cuda.h"', '#include "kernel.h"', *(['#include "host.h"'] if self.hosted else [])]
        lines += [with_launches(self.source) if self.hosted else self.source, '#line 1 "emulator"']
        lines += [f'asm(".set {name}, emulator_dynamic_shared");' for name in dynamic_shared_names(self.source)]
        lines += ["EMULATOR_KERNELS {"]
        lines += [f'#line 1 "{name}"\nemulator_entry<{name}>::emulator_named("{name}"),' for name in names]
        lines += ["{0, 0, 0, 0}};", "EMULATOR_MAIN" if self.hosted and has_main(self.source) else "", ""]
        return "\n".join(lines)

    def _check_name(self, name: str) -> None:
        base = _base(name)
        text = self.kernels.get(base)
        if text is None and not re.search(r"#\s*define\b.*__global__", without_comments(self.source)):
            there = ", ".join(k.name + "<...>" * k.template for k in self.kernels.values()) or "none"
            raise UnknownKernelError(f"{self.name} has no kernel {base!r}. Its kernels: {there}")
        if text and text.template and "<" not in name:
            raise UnknownKernelError(
                f"{self.name}: {base} is a template: ask for one of its kernels, like {base}<float>"
            )
        if text and not text.template and "<" in name:
            raise UnknownKernelError(f"{self.name}: {base} is no template: ask for {base!r}")


class Kernel:
    """A kernel that can be launched."""

    def __init__(self, module: Module, name: str, signature: tuple[str, ...], names: tuple[str, ...]):
        self.module, self.name, self.signature = module, name, signature
        known = len(names) == len(signature)
        self.names = names if known else tuple(f"argument {i}" for i in range(len(signature)))
        self.parameters = [Parameter(name, code) for name, code in zip(self.names, signature, strict=True)]

    def __call__(
        self,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        *args: object,
        shared: int = 0,
        order: int = 0,
    ) -> None:
        """Run the kernel on every thread of `grid` blocks of `block` threads; arrays are changed in place.

        args are arrays, None for a null pointer, and numbers. shared: bytes of dynamic shared memory. order: 0 runs
        blocks and threads in ascending order, any other number in an order of its own; a right kernel gives the same
        bits in each. Raises LaunchError for what a GPU could not do; then the arrays are as they were.
        """
        grid, block = launch_sizes(self.name, grid, block, shared)
        arguments = Arguments(self.name, self.parameters, args)
        library, number = self.module.built(self.name)
        message = library.launch(number, grid, block, arguments.pointers, shared, order)
        if message is not None:
            raise LaunchError(message)
        arguments.finish()

    def check(
        self,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        *args: object,
        shared: int = 0,
        outputs: Sequence[str] | None = None,
        seconds: int = SECONDS,
        order: int = 0,
    ) -> CheckReport:
        """Run it in a process of its own and look for mistakes. Returns a report: print it.

        outputs: the arrays that it is to fill, if not those that come filled with NaN. seconds: how long it may take.
        order: as in a plain launch.
        """
        return check(self._traced(), grid, block, *args, shared=shared, outputs=outputs, seconds=seconds, order=order)

    def profile(
        self,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        *args: object,
        shared: int = 0,
        seconds: int = SECONDS,
    ) -> ProfileReport:
        """Run it and count, line by line, what it asks of the memory. Returns a report: print it."""
        return profile(self._traced(), grid, block, *args, shared=shared, seconds=seconds)

    def _traced(self) -> TracedKernel:
        def build() -> tuple[Path, int]:
            library, number = self.module.built(self.name, "trace")
            return library.path, number

        return TracedKernel(self.name, tuple(self.parameters), self.module.source, build)

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(f'{p} {p.name}' for p in self.parameters)}) of {self.module.name}>"


def _plain(name: str) -> str:
    """The name without needless spaces: "add< float >" is "add<float>"."""
    return re.sub(r"\s*([<>,():*&])\s*", r"\1", " ".join(name.split()))


def _base(name: str) -> str:
    """ "add" of "kernels::add<float>"."""
    return _plain(name).split("<")[0].split("::")[-1]
