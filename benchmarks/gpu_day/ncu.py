"""The step ncu: NVIDIA's profiler, the counters that are asked of it, and the file that it writes."""

import csv
import re
import subprocess
import sys
from pathlib import Path

from .findings import say
from .tools import program

# The emulator's count, by the names of minivit.emulator's report, and ncu's counter of the same.
REQUESTS = "l1tex__t_requests_pipe_lsu_mem_global_op_{}.sum"
SECTORS = "l1tex__t_sectors_pipe_lsu_mem_global_op_{}.sum"
INSTRUCTIONS = "smsp__sass_inst_executed_op_shared_{}.sum"
TURNS = "l1tex__data_pipe_lsu_wavefronts_mem_shared_op_{}.sum"
# cp.async, LDGSTS in machine code, is neither a load nor a store to ncu; .cg, the kind that we use, bypasses L1.
COPIED = "sm__sass_l1tex_t_{}_pipe_lsu_mem_global_op_ldgsts_cache_bypass.sum"
COUNTERS = {
    "global load requests": REQUESTS.format("ld"),
    "global load moved": SECTORS.format("ld"),
    "global store requests": REQUESTS.format("st"),
    "global store moved": SECTORS.format("st"),
    "shared load requests": INSTRUCTIONS.format("ld"),
    "shared load moved": TURNS.format("ld"),
    "shared store requests": INSTRUCTIONS.format("st"),
    "shared store moved": TURNS.format("st"),
    "global copy requests": COPIED.format("requests"),
    "global copy moved": COPIED.format("sectors"),
    "shared copy requests": "smsp__inst_executed_op_ldgsts.sum",
    "shared copy moved": "smsp__sass_l1tex_data_pipe_lsu_wavefronts_mem_shared_op_ldgsts.sum",
}
MORE = (
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_ld.sum",
    "l1tex__data_bank_conflicts_pipe_lsu_mem_shared_op_st.sum",
    "gpu__time_duration.sum",
    "sm__inst_executed_pipe_tensor_op_hmma.sum",  # mma.sync
    "sm__pipe_tensor_op_hmma_cycles_active.avg.pct_of_peak_sustained_elapsed",
)
KERNELS = "regex:attention|layernorm|gelu|patchify|cross_entropy|adamw|relative|column_sums|philox|move_images"
UNKNOWN = r"Failed to find metric (\S+)"


def ncu(dry: bool, short: bool, folder: Path) -> None:
    """Have the launches of kernels.py counted, into `folder`/ncu.csv. Without a GPU they are only launched."""
    if dry:
        from .kernels import profile

        profile(short)
        return
    metrics, path = [*COUNTERS.values(), *MORE], folder / "ncu.csv"
    launches = (sys.executable, "-m", "gpu_day", "step", "profile", *("--short",) * short, "--out", str(folder))
    while metrics:
        options = ("--clock-control", "none", "--csv", "--page", "raw", "--log-file", str(path), "-k", KERNELS)
        command = (program("ncu") or "ncu", *options, "--metrics", ",".join(metrics), *launches)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        text = done.stdout + (path.read_text("utf-8", "replace") if path.is_file() else "")
        unknown = {name.strip('".,') for name in re.findall(UNKNOWN, text)} & set(metrics)
        if not unknown:
            break
        print(f"left out, since this ncu does not know it: {', '.join(sorted(unknown))}")
        metrics = [name for name in metrics if name not in unknown]
    counted = len(read_ncu(path)) if path.is_file() else 0
    last = " ".join(line for line in text.splitlines() if line.startswith("==ERROR"))[:300]
    say(counted > 0, f"{counted} launches counted", last)


def write_as_ncu(rows: list[dict], path: Path) -> None:
    """These counts in a file as ncu writes it."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("==PROF== Connected to process 1\n")
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["ID", "Kernel Name", *COUNTERS.values()])
        writer.writerow(["", "", *("" for _ in COUNTERS)])  # the units
        for number, row in enumerate(rows):
            name = row["kernel"].replace("<", "<(T1)", 1)
            writer.writerow([number, f"void {name}(…)", *(f"{row[name]:,}" for name in COUNTERS)])


def read_ncu(path: Path) -> list[dict]:
    lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith('"')]
    return [row for row in csv.DictReader(lines) if row["ID"].isdigit()]


def number(text: str | None) -> float:
    """ "1,234" of ncu; NaN for a counter that it does not know, or was not allowed to read."""
    try:
        return float((text or "nan").replace(",", ""))
    except ValueError:
        return float("nan")
