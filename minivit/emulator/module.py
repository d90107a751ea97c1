"""Kernels in Python: load a .cu file, ask for a kernel by name, call it with NumPy arrays."""

import ctypes
import functools
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from .arguments import Arguments, Parameter
from .build import build_library
from .compiler import find_compiler
from .errors import CompileError, LaunchError, UnknownKernelError
from .includes import OWN_HEADERS, Text, shown_name, text_in, text_of
from .inline_ptx import with_inline_ptx
from .library import Library, open_library
from .posted import has_host_code, has_main, with_addresses, with_launches
from .rules import check_rules
from .sizes import STATIC_SHARED, launch_sizes
from .source import dynamic_shared_names, find_kernels, find_variables, with_one_dynamic_array, without_comments
from .trace.check import CheckReport, check
from .trace.launch import SECONDS, TracedKernel
from .trace.library_file import FileVariable, LibraryFile
from .trace.profile import ProfileReport, profile
from .trace.worker import Variable

RUN_SECONDS = 600.0  # of computing that a launch may take, if nobody says otherwise
HOST_HEADERS = (
    "cassert",
    "cmath",
    "cstdint",
    "cstdio",
    "cstdlib",
    "cstring",
    "math.h",
    "limits.h",
    "float.h",
    "time.h",
)


def load(path: str | os.PathLike, *, include: Sequence[str | os.PathLike] = (), via: str = "source") -> "Module":
    """The kernels of a .cu file. Nothing is compiled yet.

    include: more folders to look for headers in. via="ptx": compiled by NVIDIA's NVRTC first, and its PTX is run.
    """
    path = Path(path)
    return Module._of(text_of(path, include), shown_name(path), via)


class Module:
    """The kernels of one CUDA source text: module["add<float>"] is a Kernel."""

    def __init__(
        self,
        source: str,
        name: str = "kernel.cu",
        include: Sequence[str | os.PathLike] = (),
        via: str = "source",
    ):
        if source.rstrip().endswith((".cu", ".cuh")) and "\n" not in source.strip():
            raise ValueError(f"{source!r} is the name of a file, expected CUDA source: emulator.load reads files")
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
        self.hosted = bool(text.system) or text.helpers or has_host_code(self.source)  # with code for the host
        self.kernels = find_kernels(self.source)
        self._variables = find_variables(self.source)
        self._contents: dict[str, bytes] = {}  # of those variables that were set or left behind by a launch
        self._built: dict[tuple[str, str], tuple[Library, int]] = {}

    def compile(self, names: Iterable[str], mode: str = "run") -> Path:
        """Compile several kernels into one library, which takes less time than one by one. Returns its path."""
        names = [_plain(name) for name in names]
        for name in names:
            self._check_name(name)
        check_rules(self.source)
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

    def compile_program(self, mode: str = "run") -> Path:
        """Compile all of a file with host code into a library whose main() program.py runs. Returns its path."""
        check_rules(self.source)
        return build_library(self._code(()), mode, self.source, hosted=True)

    def compile_function(self, name: str, mode: str = "run") -> Path:
        """Compile a file with host code into a library whose entry is a function of the host. Returns its path."""
        check_rules(self.source)
        return build_library(self._code([name]), mode, self.source, hosted=True)

    def set_symbol(self, name: str, values: object) -> None:
        """Set a __device__ or __constant__ variable of the file, as cudaMemcpyToSymbol does, for all launches to come.

        values: an array of the variable's own type. Raises ValueError for an unknown name; LaunchError, at the next
        launch, where they are more than the variable holds.
        """
        self._check_variable(name)
        self._contents[name] = np.ascontiguousarray(values).tobytes()

    def symbol(self, name: str, dtype: object) -> np.ndarray:
        """What a variable of the file holds after the launches so far: numbers of this dtype. Raises ValueError for an
        unknown name, and where nothing was set or launched yet."""
        self._check_variable(name)
        if name not in self._contents:
            raise ValueError(f"{name} was never set, and no kernel of {self.name} was launched yet")
        return np.frombuffer(self._contents[name], dtype).copy()

    def _check_variable(self, name: str) -> None:
        names = [variable.name for variable in self._variables]
        if name not in names:
            raise ValueError(f"{self.name} has no variable {name!r}; it declares {', '.join(names) or 'none'}")

    def put_variables(self, library: Library) -> list[FileVariable]:
        """Give a library what the variables hold; keep_variables takes it back after the launch."""
        if not self._variables:
            return []
        found = library_variables(library, frozenset(variable.name for variable in self._variables))
        for variable in found:
            content = self._contents.get(variable.name, b"")
            if len(content) > variable.size:
                raise LaunchError(f"{variable.name} has {variable.size} bytes, and was set to {len(content)}")
            ctypes.memmove(variable.address, content, len(content))
        return found

    def keep_variables(self, found: list[FileVariable]) -> None:
        for variable in found:
            self._contents[variable.name] = ctypes.string_at(variable.address, variable.size)

    def variables(self) -> tuple[Variable, ...]:
        """The file's variables, as the other process is told of them."""
        return tuple(Variable(v.name, v.constant, v.initialised, self._contents.get(v.name)) for v in self._variables)

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

            if any(f'#include "{header}"' in self.source for header in OWN_HEADERS.values()):
                raise CompileError(f'{self.name}: via="ptx" takes no cooperative groups, half or tensor cores')
            return ptx_code(self, names)
        lines = [f"#include <{header}>" for header in (*self._system, *HOST_HEADERS)] if self.hosted else []
        lines += ["#define EMULATOR_HOSTED"] if self.hosted else []
        lines += ['#include "cuda.h"', '#include "kernel.h"', *(['#include "host.h"'] if self.hosted else [])]
        source = with_inline_ptx(self.source)
        source = with_addresses(with_launches(source), self.kernels) if self.hosted else source
        if find_compiler().system == "darwin":
            lines += [with_one_dynamic_array(source), '#line 1 "emulator"']
        else:
            lines += [source, '#line 1 "emulator"']
            lines += [f'asm(".set {name}, emulator_dynamic_shared");' for name in dynamic_shared_names(self.source)]
        fences = str(bool(re.search(r"\b__threadfence(?:_system)?\b", self.source))).lower()
        lines += [f'extern "C" const bool emulator_fences = {fences};', "EMULATOR_KERNELS {"]
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
        seconds: float = RUN_SECONDS,
    ) -> None:
        """Run the kernel on every thread of `grid` blocks of `block` threads; arrays are changed in place.

        args are arrays, None for a null pointer, and numbers. shared: bytes of dynamic shared memory. order: 0 runs
        blocks and threads in ascending order, any other number in an order of its own; a right kernel gives the same
        bits in each. seconds: of computing, after which it is ended. Raises LaunchError for that, and for what a GPU
        could not do; then the arrays are as they were.
        """
        grid, block = launch_sizes(self.name, grid, block, shared)
        if not seconds > 0:
            raise ValueError(f"{self.name}: seconds is {seconds!r}, expected more than 0")
        arguments = Arguments(self.name, self.parameters, args)
        library, number = self.module.built(self.name)
        variables = self.module.put_variables(library)
        message = library.launch(number, grid, block, arguments.pointers, shared, order, seconds)
        if message is not None:
            raise LaunchError(message)
        arguments.finish()
        self.module.keep_variables(variables)

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

        outputs: the arrays that it is to fill, if not those that come filled with NaN. seconds: of computing that it
        may take. order: as in a plain launch.
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

        return TracedKernel(self.name, tuple(self.parameters), self.module.source, self.module.variables(), build)

    def __repr__(self) -> str:
        return f"<kernel {self.name}({', '.join(f'{p} {p.name}' for p in self.parameters)}) of {self.module.name}>"


@functools.cache
def library_variables(library: Library, names: frozenset[str]) -> list[FileVariable]:
    """The variables of the reader's file in a loaded library, at their addresses in this process."""
    file = LibraryFile(library.path)
    base = ctypes.cast(library.emulator_message, ctypes.c_void_p).value - file.address_of("emulator_message")
    return [v._replace(address=base + v.address) for v in file.variables(names) if v.name in names]


def _plain(name: str) -> str:
    """The name without needless spaces: "add< float >" is "add<float>"."""
    return re.sub(r"\s*([<>,():*&])\s*", r"\1", " ".join(name.split()))


def _base(name: str) -> str:
    """ "add" of "kernels::add<float>"."""
    return _plain(name).split("<")[0].split("::")[-1]
