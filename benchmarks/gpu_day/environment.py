"""The step env: which machine, driver and versions these figures are of. The page's head is made from its lines."""

import importlib.metadata
import os
import platform
import re
import subprocess

from .tools import program

PACKAGES = ("minivit", "numpy", "cupy-cuda13x", "cupy-cuda12x", "nvidia-cuda-nvrtc", "torch", "pytest")
PROGRAMS = ("nvidia-smi", "compute-sanitizer", "ncu", "nvcc", "g++")
QUERY = "name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit,ecc.mode.current"


def env(dry: bool) -> None:
    """Prints "name: value" lines."""
    print(f"commit: {answer('git', 'describe', '--always', '--dirty') or 'no checkout'}")
    print(f"system: {platform.platform()}, {os.cpu_count()} cores, {processor()}")
    print(f"Python: {platform.python_version()}")
    for name in PACKAGES:
        try:
            print(f"{name}: {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    if not dry:
        gpu()
    for name in PROGRAMS:
        path = program(name)
        said = (answer(path, "--version") or "") if path else ""
        found = re.findall(r"\d+\.\d+[\d.]*", said)
        print(f"{name}: {(found[-1] if found else 'found') if path else 'not found'}")


def gpu() -> None:
    """What the driver and CuPy say."""
    import cupy

    values = (answer("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader") or "").splitlines()[:1]
    for key, value in zip(QUERY.split(","), values[0].split(", ") if values else (), strict=False):
        print(f"{key}: {value}")
    properties = cupy.cuda.runtime.getDeviceProperties(0)
    print(f"GPU: {properties['name'].decode()}")
    print(f"compute capability: {properties['major']}.{properties['minor']}")
    for key in ("multiProcessorCount", "l2CacheSize", "sharedMemPerBlockOptin", "sharedMemPerMultiprocessor"):
        print(f"{key}: {properties.get(key, '?')}")
    print(f"NVRTC: {'.'.join(map(str, cupy.cuda.nvrtc.getVersion()))}")
    print(f"CUDA of the driver: {version(cupy.cuda.runtime.driverGetVersion())}")
    print(f"CUDA runtime: {version(cupy.cuda.runtime.runtimeGetVersion())}")


def version(number: int) -> str:
    """13000 is 13.0."""
    return f"{number // 1000}.{number % 1000 // 10}"


def answer(*command: str) -> str | None:
    """What a program prints; None where there is none, or it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(": ")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration, IndexError):
        return platform.machine()
