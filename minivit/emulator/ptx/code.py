"""The PTX path: a .cu file compiled by NVIDIA's own front end, and its PTX translated to C++ for the emulator.

    source -> nvrtc.py -> PTX text -> parse.py -> data -> translate.py -> C++ -> build.py

It is a second witness: it runs what NVIDIA's compiler made of the file, and not what g++ makes of it.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from ..build import cache_folder, kept, workplace
from . import nvrtc
from .parse import parse
from .translate import translate

FOLDER = Path(__file__).parent
TARGET = "compute_80"  # Ampere: what newer GPUs have beyond it the kernels here do not use
OPTIONS = ("-lineinfo",)  # each instruction's line in the .cu file


def ptx_code(module, names: Sequence[str]) -> str:
    """The C++ of a library with these kernels of an emulator.Module, which runs what NVRTC made of them.

    Raises CompileError with NVRTC's messages, or where a kernel uses what the emulator does not have; NoCompilerError
    where NVRTC is missing.
    """
    made_of = (module.source, module.name, tuple(names), TARGET, OPTIONS, nvrtc.version(), _translator())
    path = cache_folder() / f"{hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]}.ptx.cpp"
    if (content := kept(path)) is not None:
        return content.decode()
    code = _translated(module, names)
    with workplace(path) as (_, result):
        result.write_text(code, encoding="utf-8")
    return code


def _translated(module, names: Sequence[str]) -> str:
    compiled = nvrtc.compile(module.source, module.name, TARGET, tuple(names), OPTIONS)
    text = compiled.code.decode().rstrip("\0")
    # NVRTC puts the current folder in front of the names of files, which are not there.
    text = re.sub(r'^(\s*\.file\s+\d+\s+)"' + re.escape(os.getcwd()) + "/", r'\1"', text, flags=re.M)
    return translate(parse(text), compiled.names)


def _translator() -> str:
    """A change of the translator makes what it has made before out of date."""
    files = sorted(FOLDER.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
