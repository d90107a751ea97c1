"""The C++ compiler: g++ or clang where there is one, else the one in PyPI's package ziglang."""

import functools
import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

from .errors import NoCompilerError

CANDIDATES = ("g++", "clang++", "c++")
LINK_FLAGS = ("-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs")
HOW_TO_GET_ONE = (
    'Install g++ or clang (on Debian and Ubuntu: "apt install g++"), or a compiler from PyPI: '
    'pip install "minivit[compiler]". $MINIVIT_CXX chooses one.'
)


@dataclass(frozen=True)
class Compiler:
    """How to call it, which family it is of ("gcc", "clang" or "zig"), and what it says of its version."""

    command: tuple[str, ...]
    family: str
    version: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return _run([*self.command, *arguments])

    def link(self, *arguments: str, plain: bool) -> subprocess.CompletedProcess:
        """Make a library. plain: nothing in it needs C++'s own library, which zig would first compile for a minute."""
        command = list(self.command)
        if plain and self.family == "zig" and command[-1] == "c++":
            command[-1] = "cc"
        return _run([*command, *LINK_FLAGS, *arguments])


@functools.cache
def find_compiler() -> Compiler:
    """$MINIVIT_CXX, else g++, clang++ or c++, else ziglang. Raises NoCompilerError. Looked for once per process."""
    refuse_other_systems(sys.platform, platform.machine())
    chosen = os.environ.get("MINIVIT_CXX")
    if chosen:
        command = shlex.split(chosen)
        if not command or not shutil.which(command[0]):
            raise NoCompilerError(f"$MINIVIT_CXX is {chosen!r}, and there is no such program. {HOW_TO_GET_ONE}")
        return _describe(command)
    for candidate in CANDIDATES:
        if shutil.which(candidate):
            return _describe([candidate])
    if importlib.util.find_spec("ziglang"):
        return _describe([sys.executable, "-m", "ziglang", "c++"])
    raise NoCompilerError(f"The emulator compiles kernels with a C++ compiler, and none is here. {HOW_TO_GET_ONE}")


@functools.cache
def knows(compiler: Compiler, flag: str) -> bool:
    """Whether the compiler takes this flag. It is asked once per process."""
    return compiler.run(flag, "-fsyntax-only", "-x", "c++", os.devnull).returncode == 0


def refuse_other_systems(system: str, machine: str) -> None:
    if system != "linux" or machine not in ("x86_64", "aarch64"):
        raise NoCompilerError(
            f"The emulator runs on Linux on x86-64 and aarch64; this is {system} on {machine}. On Windows use WSL, on "
            "a Mac a container or virtual machine with Linux."
        )


def _describe(command: list[str]) -> Compiler:
    answer = _run([*command, "--version"])
    if answer.returncode:
        raise NoCompilerError(f"{shlex.join(command)} --version fails: {answer.stderr.strip()}. {HOW_TO_GET_ONE}")
    family = "zig" if "ziglang" in command or "zig" in command[0] else "clang" if "clang" in answer.stdout else "gcc"
    return Compiler(tuple(command), family, answer.stdout.strip())


def _run(command: list[str]) -> subprocess.CompletedProcess:
    # Messages in English and without typographic quotes, whatever the reader's language: they are taken apart.
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, "LC_ALL": "C"})
