"""The step chapters: the tutorials about kernels as scripts, side by side; on a GPU their cells for it run, too."""

import subprocess
import sys
import time
from pathlib import Path

from .findings import say

TUTORIALS = Path(__file__).parents[2] / "course" / "src"
CHAPTERS = ("23_first_kernel", "24_layernorm_kernels", "25_fused_attention", "26_backward_kernels")


def chapters() -> None:
    began = time.perf_counter()
    running = {
        name: subprocess.Popen(
            [sys.executable, TUTORIALS / f"{name}.py"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for name in CHAPTERS
    }
    for name, process in running.items():
        _, errors = process.communicate()
        last = (errors.strip().splitlines() or [""])[-1]
        say(process.returncode == 0, name, last if process.returncode else f"{time.perf_counter() - began:.0f} s")
