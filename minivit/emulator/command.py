"""The command `python -m minivit kernel FILE.cu [LAUNCH] [--check | --profile]`: run a kernel with no GPU."""

import argparse
import sys

import numpy as np

from ..terminal import at_least
from .errors import EmulatorError, LaunchError
from .includes import check_is_source, read_source
from .launch_text import EXAMPLE, Array, LaunchText, launch_in, parse_launch
from .module import Kernel, load
from .posted import has_main
from .program import MEMORY, SECONDS, run_program

CLASSES = 10  # integers that a kernel reads are drawn from 0 to 9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", help="a .cu file: kernels in CUDA C++, or a whole program with main()")
    parser.add_argument(
        "launch",
        nargs="?",
        help=f"as in CUDA: '{EXAMPLE}'. An argument with a shape is an array: an input (a pointer to const) is filled "
        "with random numbers, an output with NaN, y[1000]=0 with zeros. If not given, it is read from a comment in the "
        "file: // launch: ...",
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
    """Run a CUDA kernel on the CPU, check it for mistakes, or count what it asks of the memory."""
    if args.strict and not args.check:
        raise ValueError("--strict makes mistakes of the remarks that --check has: say --check, too")
    check_is_source(args.file)
    text = args.launch or launch_in(read_source(args.file))
    if text is None and has_main(read_source(args.file)):
        return _program(args)
    if text is None:
        raise ValueError(f"which launch? Give one, like '{EXAMPLE}', or write it into {args.file} as // launch: ...")
    launch = parse_launch(text)
    try:
        chosen = load(args.file, include=args.include, via=args.via)[launch.kernel]
        values, outputs = launch_values(chosen, launch, args.seed)
        if args.check:
            limits = {"outputs": outputs, "seconds": args.seconds}
            report = chosen.check(launch.grid, launch.block, *values, shared=launch.shared, **limits)
            print(report)
            return 0 if report.ok else 1
        if args.profile:
            print(chosen.profile(launch.grid, launch.block, *values, shared=launch.shared))
            return 0
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


def _program(args: argparse.Namespace) -> int:
    """Run a program. Exit status: its own; with --check 1 where something was found; 2 where it did not run."""
    mode = "check" if args.check else "profile" if args.profile else "run"
    try:
        report = run_program(load(args.file, include=args.include), args.args, mode, args.seconds, args.memory << 30)
    except EmulatorError as error:
        print(f"minivit: {error}", file=sys.stderr)
        return 2
    if mode != "run":
        print(report)
    wrong = report.findings or (args.strict and report.remarks)
    return 1 if mode == "check" and wrong else report.status


def launch_values(kernel: Kernel, launch: LaunchText, seed: int = 0) -> tuple[list, list[str]]:
    """The launch's arguments as arrays and numbers, and the names of those arrays that the kernel is to fill."""
    if len(launch.arguments) != len(kernel.parameters):
        takes = ", ".join(f"{parameter} {parameter.name}" for parameter in kernel.parameters)
        raise ValueError(
            f"{kernel.name} takes {len(kernel.parameters)} arguments ({takes}), got {len(launch.arguments)}"
        )
    rng = np.random.default_rng(seed)
    values, outputs = [], []
    for argument, parameter in zip(launch.arguments, kernel.parameters, strict=True):
        if not isinstance(argument, Array):
            values.append(argument)
            continue
        if not parameter.pointer:
            raise ValueError(
                f"{kernel.name}: {parameter.name} is a number ({parameter}), got an array of {argument.shape}"
            )
        dtype = np.dtype(np.uint8 if parameter.number == "v1" else parameter.number)
        shape = argument.shape + (parameter.count,) * (parameter.count > 1)
        if argument.fill is None and not parameter.constant:
            outputs.append(parameter.name)
        values.append(_filled(shape, dtype, argument.fill, parameter.constant, rng))
    return values, outputs


def _filled(shape: tuple, dtype: np.dtype, fill: float | None, is_input: bool, rng: np.random.Generator) -> np.ndarray:
    if fill is not None:
        return np.full(shape, fill, dtype)
    if is_input:
        return (rng.standard_normal(shape) if dtype.kind == "f" else rng.integers(0, CLASSES, shape)).astype(dtype)
    nothing = (
        np.nan if dtype.kind == "f" else False if dtype.kind == "b" else np.iinfo(dtype).min or np.iinfo(dtype).max
    )
    return np.full(shape, nothing, dtype)


def summary(name: str, array: np.ndarray) -> str:
    """One line: shape, smallest and largest element, and how many are NaN."""
    head = f"{name} {array.shape} {array.dtype}: "
    numbers = array[~np.isnan(array)] if array.dtype.kind == "f" else array.reshape(-1)
    text = f"from {numbers.min():.6g} to {numbers.max():.6g}" if numbers.size else "no number"
    missing = array.size - numbers.size
    return head + text + (f", {missing:,} of {array.size:,} are NaN: never written?" if missing else "")
