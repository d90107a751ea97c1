"""The command `python -m minivit kernel FILE.cu [LAUNCH] [--check | --profile]`: run a kernel with no GPU."""

import argparse
import contextlib
import os
import sys

import numpy as np

from ..messages import short
from ..terminal import at_least
from .checked import Options, check_file, launch_values, status_of
from .errors import EmulatorError, LaunchError
from .function import Function
from .includes import check_is_source, read_source
from .launch_text import EXAMPLE, launch_in, parse_call, parse_launch, which_launch
from .module import load
from .posted import has_main
from .program import MEMORY, SECONDS, run_program
from .reports import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "words",
        nargs="+",
        metavar="FILE",
        help="a .cu file: kernels in CUDA C++, or a whole program with main(). With --check there may be several. "
        f"Behind it a launch, as in CUDA: '{EXAMPLE}'. An argument with a shape is an array: an input (a pointer to "
        "const) is filled with random numbers, an output with NaN, y[1000]=0 with zeros. If not given, it is read from "
        "comments in the file, // launch: ..., the first one, with --check all of them. "
        "Of a function of the host, extern \"C\" void solve(...), a call: 'solve(x[1000], y[1000], 1000)'.",
    )
    parser.add_argument(
        "-I", dest="include", action="append", default=[], metavar="FOLDER", help="look for headers there, too"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="look for races, wrong addresses and misused barriers")
    how.add_argument("--profile", action="store_true", help="count what each line asks of the memory")
    parser.add_argument(
        "--via", choices=("source", "ptx"), default="source", help="ptx: run what NVIDIA's compiler made"
    )
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="of what --check tells, for other programs. Its exit status: 0 nothing was found, 1 a mistake was found, "
        "2 something could not be checked, or there was nothing to check",
    )
    program = parser.add_argument_group(
        "a program",
        "Where a file has a main() and no launch is given, that is run, in a process of its own. It is no sandbox: its "
        "code for the host has your rights, as after any compiler.",
    )
    program.add_argument(
        "--args", nargs=argparse.REMAINDER, default=[], help="what main() is given: the rest of the line"
    )
    program.add_argument("--seconds", type=at_least(1), default=SECONDS, help="it may take; %(default)s if not given")
    program.add_argument("--memory", type=at_least(1), default=MEMORY >> 30, help="GiB, %(default)s if not given")
    program.add_argument("--strict", action="store_true", help="with --check: a remark is a mistake, too")
    parser.add_argument("--seed", type=at_least(0), default=0, help="of the random inputs; 0 if not given")


def kernel(args: argparse.Namespace) -> int:
    """Run CUDA kernels on the CPU, check them for mistakes, or count what they ask of the memory."""
    files, text = files_and_launch(args.words)
    if args.check:
        return _check(files, text, args)
    if args.strict:
        raise ValueError("--strict makes mistakes of the remarks that --check has: say --check, too")
    if args.format != "text":
        raise ValueError(f"--format {args.format} tells what --check has found: say --check, too")
    if len(files) > 1:
        raise ValueError(f"{len(files)} files; only --check takes more than one")
    (file,) = files
    check_is_source(file)
    source = read_source(file)
    text = text or launch_in(source)
    if text is None and has_main(source):
        return _program(file, args)
    if text is None:
        raise ValueError(which_launch(file, source))
    launch = parse_launch(text) if "<<<" in text else parse_call(text)
    try:
        module = load(file, include=args.include, via=args.via)
        chosen = module[launch.kernel] if launch.grid else Function(module, launch.kernel)
        values, _ = launch_values(chosen, launch, args.seed)
        if not launch.grid:
            if args.profile:
                raise ValueError(f"--profile is of a kernel; {launch.kernel} is a function of the host")
            chosen(*values, seconds=args.seconds, memory=args.memory << 30)
        elif args.profile:
            print(chosen.profile(launch.grid, launch.block, *values, shared=launch.shared, seconds=args.seconds))
            return 0
        else:
            chosen(launch.grid, launch.block, *values, shared=launch.shared, seconds=args.seconds)
    except LaunchError as error:  # the kernel's mistake
        print(f"{error}\nHere that is the option --check.", file=sys.stderr)
        return 1
    except EmulatorError as error:
        print(f"minivit: {error}", file=sys.stderr)
        return 2
    for parameter, value in zip(chosen.parameters, values, strict=True):
        if isinstance(value, np.ndarray) and not parameter.constant:
            print(summary(parameter.name, value))
    return 0


def files_and_launch(words: list[str]) -> tuple[list[str], str | None]:
    """The command's words: files, and a launch, which has <<< in it, or at least brackets."""
    files = [word for word in words if "<<<" not in word and ("(" not in word or os.path.exists(word))]
    launches = [word for word in words if word not in files]
    if len(launches) > 1 or (launches and len(files) > 1):
        raise ValueError(f"{len(files)} files and {len(launches)} launches, expected one launch, of one file")
    if not files:
        raise ValueError(f"which file? {short(words[0])} is a launch")
    return files, launches[0] if launches else None


def _check(files: list[str], launch: str | None, args: argparse.Namespace) -> int:
    """Check all of them, and tell it in the format that was asked for."""
    aside, memory = args.format != "text", args.memory << 30
    options = Options(args.include, args.via, args.seed, args.seconds, memory, args.args, args.strict, aside)
    with contextlib.redirect_stdout(sys.stderr) if aside else contextlib.nullcontext():
        results = [result for file in files for result in check_file(file, launch, options)]
    for result in results:
        if result.failure:
            print(f"minivit: {result}", file=sys.stderr)
    if report := FORMATS[args.format](results):
        print(report)
    return status_of(results)


def _program(file: str, args: argparse.Namespace) -> int:
    """Run a program. Exit status: its own; 2 where it did not run."""
    mode = "profile" if args.profile else "run"
    try:
        report = run_program(load(file, include=args.include), args.args, mode, args.seconds, args.memory << 30)
    except EmulatorError as error:
        print(f"minivit: {error}", file=sys.stderr)
        return 2
    if args.profile:
        print(report)
    return report.status


def summary(name: str, array: np.ndarray) -> str:
    """One line: shape, smallest and largest element, and how many are NaN."""
    head = f"{name} {array.shape} {array.dtype}: "
    numbers = array[~np.isnan(array)] if array.dtype.kind == "f" else array.reshape(-1)
    text = f"from {numbers.min():.6g} to {numbers.max():.6g}" if numbers.size else "no number"
    missing = array.size - numbers.size
    return head + text + (f", {missing:,} of {array.size:,} are NaN: never written?" if missing else "")
