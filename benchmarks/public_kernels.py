"""Public .cu files, as they were posted: how many load and run on the emulator, and why the others do not.

    python benchmarks/public_kernels.py run FOLDER ...     # checkouts, named owner+repository; goes on where it stopped
    python benchmarks/public_kernels.py check FOLDER ...   # those that run once more, under the checker
    python benchmarks/public_kernels.py table              # the counts, as docs/proof.md has them

A file runs if it ends as its author meant: with status 0 and no word of failure, within 120 seconds of one core, the
compiler's included. No code is kept: results/public_kernels.csv has a row a file. Where a program stops for a reason
of its own (it wants an argument or a file, its kernel is wrong), a person has said so, in public_kernels_judged.csv.
"""

import argparse
import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from minivit.emulator.includes import read_source
from minivit.emulator.posted import has_main
from minivit.emulator.source import without_comments

RESULTS = Path(__file__).parent / "results"
ROWS, JUDGED = RESULTS / "public_kernels.csv", RESULTS / "public_kernels_judged.csv"
COLUMNS = ("repository", "path", "verdict", "seconds", "checked")
SECONDS = 120  # of the CPU, for each of the compiler and the program
HEADERS = (".h", ".hpp", ".cuh", ".inl", ".cu", ".hxx")
LIBRARY = re.compile(
    r'#\s*include\s*[<"](?:cublas|cudnn|cufft|curand|cusparse|cusolver|nccl|nvml|nvrtc|cub/|thrust/|cutlass|npp|optix'
    r"|cuda_gl|cudaGL|cudaEGL|GL/|GLFW|freeglut|opencv|mpi\.h|cuda/std|nvshmem|torch|pybind11|FreeImage|openacc)",
    re.IGNORECASE,
)
TEXTURE = re.compile(
    r"\btexture\s*<|\btex[123]D|\b(?:cudaTextureObject|cudaSurfaceObject|cudaArray)(?:_t)?\b|\bCUtexObject|\bsurf[123]D"
)
NOWHERE = re.compile(r"there is no header|No such file or directory|windows\.h|conio\.h|intrin\.h")
WANTS = re.compile(
    r"\busage\b|(?:can(?:not|'t)|could not|failed to|unable to) (?:open|load|read|find)|file not found|No such file",
    re.IGNORECASE,
)
SAYS_WRONG = re.compile(r"\bfail(?:ed|ure)?\b|mis-?match|do not match|don't match|incorrect|\bwrong\b", re.IGNORECASE)
FINDING = re.compile(r"(?!remark: )\S.*?:\d+(?:, called in \S+:\d+)?: ([\w -]+): ")

# What a verdict means, in the table's order; those of the second half leave the denominator.
TRIED = {
    "runs": "run, and end as their author meant",
    "compiles": "have no main(), or no kernel is launched in it: they load",
    "wrong": "have a mistake that stops them on a GPU too, and it is named",
    "refused": "use what is not emulated, and are refused by name",
    "fails": "do not compile, or do not run",
}
APART = {
    "library": "libraries: cuBLAS, cuRAND, Thrust, OpenGL, MPI",
    "texture": "textures",
    "header": "a header that is nowhere in its repository",
    "part": "the other files of their program",
    "exercise": "what is left to the reader to write",
    "input": "an input or an argument that is not there",
    "long": f"a size for which {SECONDS} seconds of a core are not enough",
    "compiler": "what NVIDIA's compiler of today refuses, as the emulator does",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (("run", "try each .cu file of these folders"), ("check", "check those that run")):
        run = commands.add_parser(name, help=what)
        run.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
        run.add_argument(
            "--again", nargs="*", default=[], metavar="VERDICT", help="try those of this verdict once more"
        )
        run.add_argument("--log", type=Path, help="keep what was said of each file there, to find the causes")
        run.add_argument("--seconds", type=int, default=SECONDS, help="of the CPU, for each; %(default)s if not given")
        run.add_argument("--only", default="", help="files whose path has this in it")
    commands.add_parser("table", help="print the counts")
    args = parser.parse_args()
    if args.command == "table":
        print(table(read_rows()))
        return 0
    for folder in args.folders:
        for path in sorted(folder.rglob("*.cu")):
            key = folder.name, path.relative_to(folder).as_posix()
            row = read_rows().get(key)
            if args.only not in key[1] or not due(row, args.command, args.again):
                continue
            judge = verdict_of if args.command == "run" else checked
            word, seconds, said = judge(path, folder, args.seconds)
            if args.command == "run":
                row = dict(zip(COLUMNS, (*key, word, f"{seconds:.0f}", ""), strict=True))
            else:
                row["checked"] = word
            write_rows(read_rows() | {key: row})
            print(f"{word:9}{seconds:5.0f} s  {'/'.join(key)}", flush=True)
            if args.log:
                with args.log.open("a", encoding="utf-8") as log:
                    print(json.dumps([*key, word, said]), file=log)
    return 0


def due(row: dict[str, str] | None, command: str, again: list[str]) -> bool:
    if command == "check":
        return row is not None and row["verdict"] == "runs" and (not row["checked"] or row["checked"] in again)
    return row is None or row["verdict"] in again


def read_rows() -> dict[tuple[str, str], dict[str, str]]:
    if not ROWS.exists():
        return {}
    with ROWS.open(newline="", encoding="utf-8") as file:
        return {(row["repository"], row["path"]): row for row in csv.DictReader(file)}


def write_rows(rows: dict[tuple[str, str], dict[str, str]]) -> None:
    with tempfile.NamedTemporaryFile("w", dir=RESULTS, delete=False, newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(row for _, row in sorted(rows.items()))
    os.chmod(file.name, 0o644)
    os.replace(file.name, ROWS)


# ---- one file --------------------------------------------------------------------------------------------------------


def verdict_of(path: Path, repository: Path, most: int = SECONDS) -> tuple[str, float, str]:
    """A file's verdict, the CPU seconds it took, and what was said of it."""
    source = read_source(path)
    text = without_comments_but_names(source)
    if LIBRARY.search(text):
        return "library", 0, ""
    if TEXTURE.search(text):
        return "texture", 0, ""
    done, seconds = carry_out(path, repository, most, has_main(source))
    return judged_by_what_is_said(has_main(source), done), seconds, in_short(done)


def checked(path: Path, repository: Path, most: int = SECONDS) -> tuple[str, float, str]:
    """What the checker finds in a program: "clean", the kinds of its findings, or "long"."""
    done, seconds = carry_out(path, repository, most, True, "--check")
    if judged_by_what_is_said(True, done) == "long":
        return "long", seconds, in_short(done)
    kinds = {match[1] for line in done.stdout.splitlines() if (match := FINDING.match(line))}
    clean = "clean" if "nothing wrong was found" in done.stdout else "not checked"
    return ", ".join(sorted(kinds)) or clean, seconds, in_short(done)


def carry_out(
    path: Path, repository: Path, most: int, program: bool, *more: str
) -> tuple[subprocess.CompletedProcess, float]:
    """Run a program, or compile what is a part of one; and the CPU seconds that this took."""
    with tempfile.TemporaryDirectory() as scratch:
        here = Path(scratch) / path.parent.name  # so that it finds what lies beside it, and leaves nothing there
        shutil.copytree(path.parent, here, ignore=lambda at, names: [n for n in names if (Path(at) / n).is_dir()])
        folders = [str(folder) for folder in header_folders(path, repository)]
        command = [sys.executable, "-m", "minivit", "kernel", str(path), *(f"-I{folder}" for folder in folders)]
        command += ["--seconds", "3600", *more]
        if not program:
            command = [sys.executable, "-c", COMPILE, str(path), *folders]
        before = spent()
        done = subprocess.run(
            command, cwd=here, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (most, most + 5)),
        )  # fmt: skip
        return done, spent() - before


def in_short(done: subprocess.CompletedProcess) -> str:
    return f"{done.returncode}\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}"


COMPILE = (  # a file that is part of a program
    "import sys; from minivit.emulator.module import load; m = load(sys.argv[1], include=sys.argv[2:]); "
    "m.compile([name for name, k in m.kernels.items() if not k.template])"
)


def judged_by_what_is_said(program: bool, done: subprocess.CompletedProcess) -> str:
    status, error = done.returncode, done.stderr
    if status in (128 + 24, -24, 137, -9):
        return "long"
    if status and "minivit:" not in error and WANTS.search(done.stdout + error):
        return "input"
    if re.search(r"'__(?:shfl|shfl_up|shfl_down|shfl_xor|ballot|any|all)' was not declared|since CUDA 12", error):
        return "compiler"
    if re.search(r"\b(?:gl[A-Z]\w+|glut\w+|cuda_gl_interop)\b", error):
        return "library"
    if NOWHERE.search(error) and ("minivit:" in error or not program):
        return "header"
    if "FIXME" in error and "minivit:" in error:
        return "exercise"
    if "declared, but defined nowhere" in error:
        return "part"
    if "textures are not emulated" in error:
        return "texture"
    if "is not emulated" in error or "are not emulated" in error or "the emulator has CUDA C++ itself" in error:
        return "refused"
    if "has __device__ before it" in error or "is a variable of the host" in error:
        return "compiler"
    if status == 0 and not SAYS_WRONG.search(done.stdout + error):
        return "runs" if program else "compiles"
    return "fails"


def without_comments_but_names(source: str) -> str:
    """The code, with the names of its headers, which are quoted texts."""
    code = without_comments(source).split("\n")
    return "\n".join(line if re.match(r"\s*#\s*include\b", bare) else bare
                     for line, bare in zip(source.split("\n"), code, strict=True))  # fmt: skip


def header_folders(path: Path, repository: Path) -> list[Path]:
    """The repository's folders that have headers, the nearest to the file first."""
    folders = {header.parent for header in repository.rglob("*") if header.suffix in HEADERS}
    folders |= {folder.parent for folder in folders if folder != repository}

    def distance(folder: Path) -> tuple[int, str]:
        together = len(os.path.commonpath([folder, path.parent]))
        return -together, str(folder)

    return sorted(folders, key=distance)


def spent() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# ---- the table -------------------------------------------------------------------------------------------------------


def table(rows: dict[tuple[str, str], dict[str, str]]) -> str:
    """The counts as Markdown: what was tried, and what was set apart."""
    judged = {}
    if JUDGED.exists():
        with JUDGED.open(newline="", encoding="utf-8") as file:
            judged = {(row["repository"], row["path"]): row["verdict"] for row in csv.DictReader(file)}
    counts = Counter(judged.get(key, row["verdict"]) if row["verdict"] == "fails" else row["verdict"]
                     for key, row in rows.items())  # fmt: skip
    of = sum(counts[verdict] for verdict in TRIED)
    stopped = sum(row["verdict"] == "long" and float(row["seconds"]) < 0.9 * SECONDS for row in rows.values())
    well = counts["runs"] + counts["compiles"]
    lines = [
        f"{len(rows):,} files of {len({repository for repository, _ in rows})} repositories. Of {of} that use no "
        f"library and no texture and have what they need, {well} ({well / max(of, 1):.0%}) load and run as they are:",
        "",
        "| | |", "|---|---|",
        *(f"| {what} | {counts[verdict]} |" for verdict, what in TRIED.items()),
        "", "| Apart, because of | |", "|---|---|",
        *(f"| {what} | {counts[verdict]} |" for verdict, what in APART.items() if counts[verdict]),
    ]  # fmt: skip
    if stopped:
        lines += ["", f"{stopped} of those of such a size were stopped sooner. Were they all failures, "
                  f"{well / max(of + counts['long'], 1):.0%} would load and run."]  # fmt: skip
    found = Counter("nothing" if row["checked"] == "clean" else "something" for row in rows.values()
                    if row["checked"] not in ("", "long", "not checked"))  # fmt: skip
    if found:
        lines += ["", f"{found.total()} of those that run were checked, too: the checker finds nothing in "
                  f"{found['nothing']}, and something in {found['something']}."]  # fmt: skip
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
