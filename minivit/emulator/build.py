"""C++ text to a library that Python can load, built once and kept in a cache.

The cache holds files whose names are made of everything that went into them, so none is ever out of date. They are
written elsewhere, brought to the disk and renamed: two processes may build the same one at once, and neither sees half
of it. Each ends in a checksum, so that one which a full disk or a power cut has damaged is built anew.
"""

import atexit
import contextlib
import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..files import user_cache
from ..messages import in_words
from .compiler import HOW_TO_GET_ONE, LINK_FLAGS, Compiler, find_compiler, knows
from .errors import CompileError, EmulatorError, NoCompilerError
from .messages import readable
from .rules import check_lengths

RUNTIME = Path(__file__).parent / "runtime"
HEADERS = f"-I{RUNTIME}"  # in no name of the cache: what they hold is, and another copy of the package holds the same
KEEP_DAYS = 30
HEADERS_FROM = ("CPATH", "CPLUS_INCLUDE_PATH")  # where compilers look, too
NOEXEC = getattr(os, "ST_NOEXEC", 0)  # of a disk; macOS does not tell
FULL = re.compile(os.strerror(errno.ENOSPC))  # what compilers say of a full disk

COMMON_FLAGS = (
    "-x", "c++", "-std=c++17", "-fPIC", "-fvisibility=hidden",
    "-ffp-contract=off",  # a*b + c is rounded twice, on every processor; a kernel that wants fma says so
    "-fno-math-errno", "-fno-strict-aliasing", "-fwrapv", "-fno-exceptions", "-fno-rtti",
    "-Werror=vla",  # a thread's own array has a length that is known beforehand
    "-fno-finite-loops", "-fno-delete-null-pointer-checks",  # an endless loop stays one, a null pointer is a finding
)  # fmt: skip
FAMILY_FLAGS = {  # a thread's own arrays must fit into its stack; thread_local variables need no check at each use
    "gcc": ("-Werror=frame-larger-than=131072", "-fno-extern-tls-init"),
    "clang": ("-Wframe-larger-than=131072", "-Werror=frame-larger-than"),
}
FAMILY_FLAGS["zig"] = FAMILY_FLAGS["clang"]
# In a kernel, a variable that was never set holds neither the 0 nor the last turn's number that it may happen to hold,
# but a huge number or NaN: a result that depends on it is then visibly wrong. g++ can do this from 12 on.
UNSET = "-ftrivial-auto-var-init=pattern"


@dataclass(frozen=True)
class Mode:
    """How kernels are compiled: their flags, and the runtime's files and flags."""

    kernel_flags: tuple[str, ...]
    runtime_files: tuple[str, ...]
    runtime_flags: tuple[str, ...]
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)  # flags of one family of compilers alone


UNDEFINED = "bounds,object-size,shift-exponent,signed-integer-overflow,integer-divide-by-zero"
CORE = ("system.cpp", "runtime.cpp", "warp.cpp", "crash.cpp", "launch.cpp", "cooperative.cpp")
HOST = ("host.cpp", "host_device.cpp", "host_launch.cpp", "host_call.cpp")
TRACE = (
    "trace.cpp",
    "check.cpp",
    "check_order.cpp",
    "check_races.cpp",
    "check_release.cpp",
    "check_again.cpp",
    "check_undefined.cpp",
    "check_signals.cpp",
    "profile.cpp",
)
CLANG_TRACE = (
    "-mllvm", "-tsan-instrument-func-entry-exit=0", "-mllvm", "-tsan-instrument-read-before-write=1",
)  # fmt: skip
MODES = {
    "run": Mode(("-O2",), (*CORE, *HOST), ("-O2",)),
    # For kernel.check and kernel.profile: the compiler calls our functions before each access (trace.cpp) and where
    # an int overflows or an index is beyond its array (check_undefined.cpp). The sanitizers' own libraries stay out.
    "trace": Mode(
        (
            "-O1", "-finline-functions", "-DEMULATOR_TRACE", "-gdwarf-4", "-g1", "-gz=none",
            "-fno-optimize-sibling-calls", "-fno-wrapv", "-fstack-protector-strong",
            "-fsanitize=thread", f"-fsanitize={UNDEFINED}", "-fno-sanitize-recover=all",
        ),
        (*CORE, *TRACE, *HOST),
        ("-O2", "-DEMULATOR_TRACE"),
        {
            "gcc": (
                "--param=tsan-instrument-func-entry-exit=0", "-fno-tree-sra", "-fno-tree-loop-distribute-patterns",
                "-finline-small-functions",  # then the compiler knows how long the array is that a pointer points to
            ),
            "clang": CLANG_TRACE,
            "zig": CLANG_TRACE,
        },
    ),
}  # fmt: skip


def cache_folder() -> Path:
    """$MINIVIT_CACHE, else the user's cache folder; where no library can be kept there and loaded from there, a
    temporary one of this process. Raises EmulatorError where there is none either."""
    chosen = os.environ.get("MINIVIT_CACHE")
    base = Path(chosen) if chosen else user_cache()
    if base is not None and _usable(base / "kernels"):
        return base / "kernels"
    return _temporary_folder()


def _usable(folder: Path) -> bool:
    """Whether files can be written there, and code in them be run (a disk may be mounted with the option noexec)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return os.access(folder, os.W_OK | os.X_OK) and not os.statvfs(folder).f_flag & NOEXEC
    except OSError:
        return False


@functools.cache
def _temporary_folder() -> Path:
    for place in dict.fromkeys((tempfile.gettempdir(), "/var/tmp", "/dev/shm", os.getcwd())):
        if os.path.isdir(place) and _usable(Path(place)):
            folder = tempfile.mkdtemp(prefix="minivit-", dir=place)  # nobody else can have put a library there
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            return Path(folder)
    raise EmulatorError(
        "there is no folder for compiled kernels: neither the cache nor any temporary folder can be written and lies "
        "on a disk from which code may be run (not mounted noexec). Let MINIVIT_CACHE name one."
    )


# With code for the host, which has C++'s own library, and whose arithmetic nobody watches.
NOT_HOSTED = (
    "-fno-exceptions",
    "-Werror=vla",
    "-fno-rtti",
    "-fno-sanitize-recover=all",
    *FAMILY_FLAGS["gcc"],
    *FAMILY_FLAGS["clang"],
)
HOSTED = {"run": (), "trace": (f"-fsanitize-recover={UNDEFINED}",)}


def build_library(code: str, mode: str = "run", source: str = "", hosted: bool = False) -> Path:
    """Compile C++ text that includes "cuda.h" and ends in emulator_kernels[], and link it with the mode's runtime.

    Raises CompileError with the compiler's messages about the code, beside the lines of the flattened `source`.
    """
    compiler, how = find_compiler(), MODES[mode]
    unset = (UNSET,) if compiler.family != "gcc" or knows(compiler, UNSET) else ()  # clang and zig do
    flags = [*_common_flags(compiler), *how.kernel_flags, *how.families.get(compiler.family, ()), *unset]
    if hosted:
        flags = [flag for flag in flags if flag not in NOT_HOSTED] + [*HOSTED[mode], "-Wvla"]
    runtime = _runtime(compiler, mode)
    target = cache_folder() / f"{_key(code, flags, LINK_FLAGS[compiler.system], runtime.name)}.so"
    if kept(target) is None:
        with workplace(target) as (folder, result):
            if sys.stderr.isatty():
                _say_once(compiler)
            (folder / "kernel.cpp").write_text(code, encoding="utf-8")
            done = compiler.run(*flags, HEADERS, "-c", str(folder / "kernel.cpp"), "-o", str(folder / "kernel.o"))
            _check_compiled(done, source)
            check_lengths(done.stderr, source)
            done = compiler.link(
                str(folder / "kernel.o"), str(runtime), "-o", str(result), plain=mode == "run" and not hosted
            )
            _check_compiled(done, source)
            if mode == "trace" and compiler.system == "darwin":
                _gather_lines(result)
    return target


def _gather_lines(library: Path) -> None:
    """Put what Apple's linker leaves in the files that it has linked, which line is where, behind the library."""
    lines = library.with_suffix(".dSYM")
    done = subprocess.run(["dsymutil", "--flat", "-o", str(lines), str(library)], capture_output=True, text=True)
    if done.returncode:
        raise NoCompilerError(f"dsymutil, which comes with Apple's compiler, says: {done.stderr[:1000]}")
    with library.open("ab") as file:
        file.write(lines.read_bytes())


@functools.cache
def _say_once(compiler: Compiler) -> None:
    """What the first launch waits for."""
    name = "zig" if compiler.family == "zig" else Path(compiler.command[0]).name
    print(f"minivit: compiling with {name}, once; it is kept in {cache_folder()} ...",
          file=sys.stderr, flush=True)  # fmt: skip


def _check_compiled(done: subprocess.CompletedProcess, source: str) -> None:
    if done.returncode and FULL.search(done.stderr):
        raise OSError(errno.ENOSPC, "no space")  # no mistake in the code
    if done.returncode:
        raise CompileError(readable(done.stderr, source))


def _runtime(compiler: Compiler, mode: str) -> Path:
    how = MODES[mode]
    flags = [*_common_flags(compiler), *how.runtime_flags]
    code = "".join(f'#include "{file}"\n' for file in how.runtime_files)
    files = sorted(path for path in RUNTIME.iterdir() if path.suffix in (".h", ".cpp"))
    contents = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()
    tools = compiler.command, compiler.version, platform.machine(), *map(os.environ.get, HEADERS_FROM)
    target = cache_folder() / f"{_key(code, flags, contents, *tools)}.o"
    if kept(target) is None:
        with workplace(target) as (folder, result):
            _say_once(compiler)
            (folder / "all.cpp").write_text(code)
            done = compiler.run(*flags, HEADERS, "-c", str(folder / "all.cpp"), "-o", str(result))
            if FULL.search(done.stderr):
                raise OSError(errno.ENOSPC, "no space")
            if done.returncode:
                command = " ".join(compiler.command)
                raise NoCompilerError(
                    f"{command} cannot compile the emulator itself. {HOW_TO_GET_ONE} It says:\n{done.stderr[:2000]}"
                )
    return target


def _common_flags(compiler: Compiler) -> tuple[str, ...]:
    return COMMON_FLAGS + FAMILY_FLAGS[compiler.family]


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:32]


def kept(path: Path) -> bytes | None:
    """What a file in the cache holds, if it is there and whole; then it is marked as used today."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    if content[-8:] != _checksum(content[:-8]):
        return None
    with contextlib.suppress(OSError):  # somebody else's cache
        os.utime(path)
    return content[:-8]


def _checksum(content: bytes) -> bytes:
    return b"%08x" % zlib.crc32(content)


def _seal(path: Path) -> None:
    """Put the checksum behind the file, where neither linker nor loader looks, and bring all of it to the disk."""
    with path.open("r+b") as file:
        file.write(_checksum(file.read()))
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def workplace(target: Path) -> Iterator[tuple[Path, Path]]:
    """A folder to build in, and a path in it that becomes `target` when the block ends well."""
    remove_old_files(target.parent)
    folder = target.parent / f"build-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        folder.mkdir()
        yield folder, folder / target.name
        _seal(folder / target.name)
        os.replace(folder / target.name, target)
        _sync_folder(target.parent)
    except OSError as error:
        raise EmulatorError(
            f"a compiled kernel could not be kept in {target.parent}: {in_words(error)}. Let MINIVIT_CACHE name "
            "another folder."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@functools.cache  # of a folder once in a process: it may hold thousands, and a notebook builds kernel after kernel
def remove_old_files(folder: Path) -> None:
    """Remove what was not used for KEEP_DAYS days, and what killed builds have left: a build takes no hour."""
    for path in folder.iterdir():
        hours = 1 if path.name.startswith("build-") else KEEP_DAYS * 24
        with contextlib.suppress(OSError):  # another process may be doing the same
            if path.stat().st_mtime < time.time() - hours * 3600:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
