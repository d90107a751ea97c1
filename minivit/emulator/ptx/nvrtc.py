"""NVRTC, NVIDIA's CUDA compiler as a library, called through ctypes: CUDA C++ in, PTX or machine code out.

It needs neither a GPU nor a driver. PTX is the assembly language of a virtual GPU: parse.py reads it, and the emulator
runs it. Machine code (a CUBIN) is what minivit.devices.static counts registers in.
"""

import ctypes
import functools
import importlib.util
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from ..errors import CompileError, NoCompilerError

MISSING = "NVRTC is not installed: pip install nvidia-cuda-nvrtc (no GPU is needed)"
# Where the wheels of CUDA 13 and of CUDA 12 put the library, in the folder of the package `nvidia`.
IN_WHEELS = ("cu13/lib/libnvrtc.so.13", "cuda_nvrtc/lib/libnvrtc.so.12")
IN_SYSTEM = ("libnvrtc.so.13", "libnvrtc.so.12")

_lock = threading.Lock()


@dataclass(frozen=True)
class Compiled:
    """What NVRTC made of one source."""

    code: bytes  # PTX (text) or a CUBIN
    names: dict[str, str]  # name expression -> the mangled name in the code: "add<float>" -> "_Z3addIfEvPT_"
    log: str  # warnings, and what ptxas -v reports


def available() -> bool:
    """Whether NVRTC can be loaded."""
    try:
        _library()
    except NoCompilerError:
        return False
    return True


@functools.cache
def version() -> tuple[int, int]:
    """(13, 5), say."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    _library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return major.value, minor.value


@functools.cache
def architectures() -> tuple[int, ...]:
    """The compute capabilities that this NVRTC compiles for: (75, 80, 86, …)."""
    count = ctypes.c_int()
    _library().nvrtcGetNumSupportedArchs(ctypes.byref(count))
    numbers = (ctypes.c_int * count.value)()
    _library().nvrtcGetSupportedArchs(numbers)
    return tuple(numbers)


def compile(
    source: str, name: str = "kernel.cu", target: str = "compute_80", names: tuple = (), options: tuple = ()
) -> Compiled:
    """Compile one source. target: "compute_80" gives PTX, "sm_80" a CUBIN. name is what messages call the source.

    names are the name expressions to instantiate, such as "gelu_forward_v1<float>".
    Raises CompileError with NVRTC's messages, NoCompilerError where NVRTC is missing.
    """
    library = _library()
    program = ctypes.c_void_p()
    _expect(library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), name.encode(), 0, None, None))
    try:
        for expression in names:
            _expect(library.nvrtcAddNameExpression(program, expression.encode()))
        flags = [f"-arch={target}", "-std=c++17", *options]
        status = library.nvrtcCompileProgram(program, len(flags), _strings(flags))
        log = _fetch("ProgramLog", program).decode(errors="replace").rstrip("\0\n")
        if status:
            raise CompileError(_readable(log) or _status_text(status))
        kind = "PTX" if target.startswith("compute") else "CUBIN"
        return Compiled(_fetch(kind, program), {e: _lowered(program, e) for e in names}, _readable(log))
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))


@functools.cache
def _library() -> ctypes.CDLL:
    with _lock:
        for path in _candidates():
            try:
                _load_builtins(path)
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            library.nvrtcGetErrorString.restype = ctypes.c_char_p
            return library
    raise NoCompilerError(MISSING)


def _load_builtins(path: Path | str) -> None:
    """NVRTC opens a second library when it compiles, by its bare name; that of the wheel 13.0 does not look for it in
    its own folder. One of that name that is loaded already is found: so here it comes first.
    """
    for builtins in Path(path).parent.glob("libnvrtc-builtins.so.*") if isinstance(path, Path) else ():
        ctypes.CDLL(str(builtins))


def _candidates() -> list[Path | str]:
    package = importlib.util.find_spec("nvidia")  # a namespace package: one folder in each site-packages
    folders = list(package.submodule_search_locations or ()) if package else []
    wheels = [Path(folder) / place for place in IN_WHEELS for folder in folders]
    return [path for path in wheels if path.is_file()] + list(IN_SYSTEM)


def _fetch(what: str, program: ctypes.c_void_p) -> bytes:
    library, size = _library(), ctypes.c_size_t()
    _expect(getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)))
    buffer = ctypes.create_string_buffer(size.value)
    _expect(getattr(library, f"nvrtcGet{what}")(program, buffer))
    return buffer.raw


def _lowered(program: ctypes.c_void_p, expression: str) -> str:
    mangled = ctypes.c_char_p()
    _expect(_library().nvrtcGetLoweredName(program, expression.encode(), ctypes.byref(mangled)))
    return mangled.value.decode()


def _readable(log: str) -> str:
    """NVRTC's "file.cu(12): error: …" as the "file.cu:12: error: …" that editors and other compilers know."""
    log = re.sub(r"^__nv_name_map\(\d+\)", "the name of the kernel", log, flags=re.M)
    return re.sub(r"^(.+?)\((\d+)\): ", r"\1:\2: ", log, flags=re.M)


def _strings(values: list[str]) -> ctypes.Array:
    return (ctypes.c_char_p * len(values))(*(value.encode() for value in values))


def _expect(status: int) -> None:
    if status:
        raise CompileError(f"NVRTC failed: {_status_text(status)}")


def _status_text(status: int) -> str:
    return _library().nvrtcGetErrorString(status).decode()
