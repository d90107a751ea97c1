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
LINK_FLAGS = {
    "linux": ("-shared", "-Wl,-Bsymbolic", "-Wl,-z,defs"),
    "darwin": ("-dynamiclib",),
}
HOW_TO_GET_ONE = (
    'Install g++ or clang (on Debian and Ubuntu: "apt install g++"), or a compiler from PyPI: '
    'pip install "minivit[compiler]". $MINIVIT_CXX chooses one.'
)


@dataclass(frozen=True)
class Compiler:
    """How to call it, its family ("gcc", "clang" or "zig"), what it says of its version, and for which system it
    compiles, "linux" or "darwin"."""

    command: tuple[str, ...]
    family: str
    version: str
    system: str = "linux"

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return _run([*self.command, *arguments])

    def link(self, *arguments: str, plain: bool) -> subprocess.CompletedProcess:
        """Make a library. plain: nothing in it needs C++'s own library, which zig would first compile for a minute."""
        command = list(self.command)
        if plain and self.family == "zig" and command[-1] == "c++":
            command[-1] = "cc"
        return _run([*command, *LINK_FLAGS[self.system], *arguments])


@functools.cache
def find_compiler() -> Compiler:
    """$MINIVIT_CXX, else g++, clang++ or c++, else ziglang. Raises NoCompilerError. Looked for once per process."""
    chosen = os.environ.get("MINIVIT_CXX")
    refuse_other_systems(sys.platform, platform.machine(), bool(chosen))
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


def refuse_other_systems(system: str, machine: str, chosen: bool) -> None:
    """Raise NoCompilerError where kernels were never run; on a Mac not if the reader has chosen a compiler."""
    if system == "linux" and machine in ("x86_64", "aarch64"):
        return
    if system == "darwin" and not chosen:
        raise NoCompilerError(
            "The emulator compiles for macOS, but nobody has run it there. MINIVIT_CXX=clang++ in the environment tries"
            " it, at your own risk. Sure are a container or a virtual machine with Linux, and Colab, to which every "
            "chapter of the tutorials has a link."
        )
    if system != "darwin":
        raise NoCompilerError(
            f"The emulator runs on Linux on x86-64 and aarch64; this is {system} on {machine}. On Windows use WSL; "
            "Colab, to which every chapter of the tutorials has a link, needs nothing."
        )


def _describe(command: list[str]) -> Compiler:
    answer = _run([*command, "--version"])
    if answer.returncode:
        raise NoCompilerError(f"{shlex.join(command)} --version fails: {answer.stderr.strip()}. {HOW_TO_GET_ONE}")
    family = "zig" if "ziglang" in command or "zig" in command[0] else "clang" if "clang" in answer.stdout else "gcc"
    for_macs = sys.platform == "darwin" or any("-macos" in word for word in command)
    return Compiler(tuple(command), family, answer.stdout.strip(), "darwin" if for_macs else "linux")


def _run(command: list[str]) -> subprocess.CompletedProcess:
    # Messages in English and without typographic quotes, whatever the reader's language: they are taken apart.
    return subprocess.run(command, capture_output=True, text=True, errors="replace", env={**os.environ, "LC_ALL": "C"})
