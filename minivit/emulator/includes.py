"""A file and its headers as one text: what is quoted is put in its place, what the emulator stands for is taken out.

Only what a compiler would come to counts: a header in a comment or behind `#if 0` is never asked for.
"""

import codecs
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..files import ordinary
from .errors import CompileError

LARGEST = 1 << 24  # bytes

NO_SOURCE = {
    ".py": "a file of Python", ".ipynb": "a notebook", ".ptx": "PTX, what a compiler made",
    ".cubin": "compiled for a GPU", ".o": "compiled", ".so": "compiled", ".exe": "compiled", ".md": "a text",
}  # fmt: skip

_INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
_PRAGMA_ONCE = re.compile(r"\s*#\s*pragma\s+once\b")
_CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b\s*(.*)")
_DEFINED = re.compile(r"(!?)\s*defined\s*\(?\s*(\w+)\s*\)?\s*$")
_COMMENT_OR_TEXT = re.compile(r'(//[^\n]*|/\*.*?\*/)|"(?:\\.|[^"\\\n])*"', re.DOTALL)

# Of these the emulator has what is in them, or they have nothing that a kernel would miss.
KNOWN_HEADERS = frozenset(
    [
        "cuda.h",
        "cuda_runtime.h",
        "cuda_runtime_api.h",
        "cuda_device_runtime_api.h",
        "cuda_profiler_api.h",
        "device_launch_parameters.h",
        "device_functions.h",
        "device_atomic_functions.h",
        "device_types.h",
        "driver_types.h",
        "host_defines.h",
        "math_constants.h",
        "math_functions.h",
        "sm_20_atomic_functions.h",
        "sm_30_intrinsics.h",
        "sm_35_intrinsics.h",
        "sm_60_atomic_functions.h",
        "sm_61_intrinsics.h",
        "vector_functions.h",
        "vector_types.h",
        "builtin_types.h",
        "channel_descriptor.h",
        "common_functions.h",
        "cuda_runtime_api.hpp",
        "helper_cuda.h",
        "helper_functions.h",
        "helper_string.h",
        "helper_timer.h",
    ]
)
OWN_HEADERS = {  # what is in these the emulator has in headers of its own
    "cooperative_groups.h": "groups.h",
    "cooperative_groups/reduce.h": "groups.h",
    "cooperative_groups/memcpy_async.h": "pipeline.h",
    "cuda/barrier": "pipeline.h",
    "cuda/pipeline": "pipeline.h",
    "cuda_fp16.h": "half.h",
    "cuda_bf16.h": "bfloat16.h",
    "cuda_pipeline.h": "inline_ptx.h",
    "cuda_pipeline_primitives.h": "inline_ptx.h",
    "mma.h": "tensor_cores.h",
    "nvToolsExt.h": "profiler_names.h",
    "nvtx3/nvToolsExt.h": "profiler_names.h",
    "omp.h": "one_thread.h",
}
_LIBRARIES = re.compile(
    r"(cublas|cudnn|cufft|curand|cusparse|cusolver|nccl|nvml|nvrtc|cub/|cub\.|thrust/|cutlass|cute|cuda/|cuda_fp[468]|"
    r"cooperative_groups|cuda_awbarrier|cuda_texture|texture|surface|npp|optix|nv/|"
    r"cudaGL|cuda_gl|GL/|opencv|torch/|ATen|c10|mpi\.h|windows\.h|conio\.h)"
)
_DEFINED_THERE = {"__CUDACC__": True, "__CUDA_ARCH__": True, "__cplusplus": True, "__NVCC__": True}
_DEFINED_NOWHERE = ("_WIN32", "WIN32", "_WIN64", "_MSC_VER", "__APPLE__", "__HIPCC__", "__INTELLISENSE__", "__HIP__")


def read_source(path: str | os.PathLike) -> str:
    """A file of source, in UTF-8 or whatever editors write. Raises ValueError for what is none: a pipe, a device, a
    file that is too large."""
    path = ordinary(path)
    if path.is_file() and path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, expected at most {LARGEST:,} of a file of source")
    data = path.read_bytes()
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return _lines(data.decode("utf-16", errors="replace"))
    if b"\0" in data:
        raise ValueError(f"{path} is no text: its byte {data.index(0):,} is 0")
    try:
        return _lines(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return _lines(data.decode("latin-1"))  # comments of another time


def check_is_source(path: str | os.PathLike) -> None:
    """Raises ValueError for a file whose name says that it is something else than C++: minivit.py, kernel.cubin."""
    ending = Path(path).suffix.lower()
    if ending in NO_SOURCE:
        raise ValueError(f"{path} is {NO_SOURCE[ending]}, expected CUDA C++: a file .cu, .cuh, .cpp or the like")


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def shown_name(path: Path) -> str:
    """The file's name for messages: in the C locale, Python has letters of its own for what it cannot read of one."""
    return os.fsencode(path.name).decode("utf-8", "replace")


@dataclass
class Text:
    """One text of a file and its headers. system: headers of the host's own library that the file asks for."""

    lines: list[str] = field(default_factory=list)
    system: list[str] = field(default_factory=list)
    helpers: bool = False  # whether it asks for those of CUDA's samples

    @property
    def flat(self) -> str:
        return "\n".join(self.lines) + "\n"


def flatten(path: str | os.PathLike, include: Sequence[str | os.PathLike] = ()) -> str:
    """The file at `path` with each `#include "header"` replaced by that header, once: one text for every compiler.

    Headers are looked for beside the file that includes them, then in the folders of `include`. `#line` lets a
    compiler's messages name the files as they lie there, relative to the folder of `path`.
    Raises FileNotFoundError, naming the line, where a header is missing.
    """
    return text_of(path, include).flat


def text_of(path: str | os.PathLike, include: Sequence[str | os.PathLike] = ()) -> Text:
    """Like flatten, with the headers of the system apart."""
    path, text = Path(path), Text()
    _flatten(text, read_source(path), shown_name(path), path.parent, [Path(i) for i in include], {path.resolve()})
    return text


def text_in(source: str, name: str, include: Sequence[str | os.PathLike] = ()) -> Text:
    """The same of source that is no file: headers are looked for in `include` only."""
    text = Text()
    _flatten(text, source, name, None, [Path(i) for i in include], set())
    return text


def _flatten(out: Text, text: str, name: str, folder: Path | None, include: list[Path], seen: set[Path]) -> None:
    out.lines.append(f'#line 1 "{name}"')
    for number, (line, there) in enumerate(reached(text.removesuffix("\n")), 1):
        match = _INCLUDE.match(line)
        if not match or there is False:
            out.lines.append("" if _PRAGMA_ONCE.match(line) else line)
            continue
        quoted, asked, where = match[1], match[1] or match[2], f"{name}:{number}"
        folders = [*([folder] if folder and quoted else []), *include]
        header = next((place / asked for place in folders if (place / asked).is_file()), None)
        if header is not None:
            if header.resolve() not in seen:
                seen.add(header.resolve())
                shown = (Path(name).parent / asked).as_posix()
                _flatten(out, read_source(header), shown, header.parent, include, seen)
            out.lines.append(f'#line {number + 1} "{name}"')
        elif asked.startswith("helper_") and asked in KNOWN_HEADERS:  # of CUDA's samples
            out.lines.append('#include "sample_helpers.h"')
            out.helpers = True
        elif asked in OWN_HEADERS:
            out.lines.append(f'#include "{OWN_HEADERS[asked]}"')
        elif asked in KNOWN_HEADERS:
            out.lines.append("")
        elif there and _LIBRARIES.match(asked):
            raise CompileError(
                f"{where}: #include {'<' if match[2] else chr(34)}{asked}{'>' if match[2] else chr(34)}: the emulator "
                "has CUDA C++ itself, and neither its libraries nor textures."
            )
        elif there is None:  # behind a condition that only the compiler knows
            out.lines.append(line)
        elif quoted is None or quoted in C_HEADERS:
            out.lines.append("")
            if asked not in out.system:
                out.system.append(asked)
        else:
            looked = ", ".join(map(str, folders)) or "no folder: give Module(..., include=[folder])"
            raise FileNotFoundError(f'{where}: there is no header "{asked}"; looked in {looked}')


C_HEADERS = frozenset(
    [
        "assert.h",
        "ctype.h",
        "float.h",
        "limits.h",
        "math.h",
        "stddef.h",
        "stdint.h",
        "stdio.h",
        "stdlib.h",
        "string.h",
        "time.h",
    ]
)


def reached(text: str) -> Iterator[tuple[str, bool | None]]:
    """Each line, comments left out where they hide a directive, and whether a compiler comes to it; None: perhaps."""
    bare = _COMMENT_OR_TEXT.sub(lambda m: re.sub(r"[^\n]", " ", m[0]) if m[1] else m[0], text)
    open_now: list[list[bool | None]] = []  # of each #if: is this branch reached, was one before it surely, perhaps?
    for line, code in zip(text.split("\n"), bare.split("\n"), strict=True):
        match = _CONDITION.match(code)
        if match:
            kind, what = match[1], match[2].strip()
            if kind in ("if", "ifdef", "ifndef"):
                open_now.append([_holds(kind, what), False, False])
            elif open_now and kind == "endif":
                open_now.pop()
            elif open_now:
                now, surely, perhaps = open_now[-1]
                surely, perhaps = surely or now is True, perhaps or now is None
                holds = True if kind == "else" else _holds("if", what)
                open_now[-1] = [False if surely or holds is False else None if perhaps else holds, surely, perhaps]
        conditions = [now for now, _, _ in open_now]
        outer = False if False in conditions else None if None in conditions else True
        yield (line if _INCLUDE.match(code) or not _INCLUDE.match(line) else code), outer


def _holds(kind: str, what: str) -> bool | None:
    """Whether a condition is so, as far as that is known here."""
    if kind == "if":
        if re.fullmatch(r"[01]", what):
            return what == "1"
        if what in _DEFINED_NOWHERE:
            return False
        match = _DEFINED.match(what)
        if not match:
            return None
        kind, what = "ifndef" if match[1] else "ifdef", match[2]
    known = False if what in _DEFINED_NOWHERE else _DEFINED_THERE.get(what)
    return known if known is None or kind == "ifdef" else not known
