"""Checks of whole files, for who reads them by a program: each launch that a file tells, or its main().

What was checked and found wrong, and what could not be checked, are two things, and have exit statuses of their own.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .errors import EmulatorError, LaunchError
from .function import Function
from .includes import check_is_source, read_source
from .launch_text import Array, LaunchText, launches_in, parse_call, parse_launch, which_launch
from .module import Kernel, Module, load
from .posted import has_main
from .program import MEMORY, SECONDS, ProgramReport, run_program
from .trace.findings import Finding

CLASSES = 10  # integers that a kernel reads are drawn from 0 to 9
FINE, FOUND, NOT_CHECKED = 0, 1, 2  # exit statuses


@dataclass(frozen=True)
class Options:
    """How files are checked, as the command line says it."""

    include: Sequence[str] = ()
    via: str = "source"
    seed: int = 0
    seconds: int = SECONDS
    memory: int = MEMORY  # bytes
    arguments: Sequence[str] = ()  # of main()
    strict: bool = False  # a remark is a mistake, too
    aside: bool = False  # what kernels and programs print goes to the standard error: the output is a report


@dataclass(frozen=True)
class Checked:
    """What came of one launch, or one program. failure: why it was not checked to its end."""

    path: Path
    name: str
    line: int = 1  # that asks for it
    findings: list[Finding] = field(default_factory=list)
    remarks: list[Finding] = field(default_factory=list)
    failure: str = ""
    seconds: float = 0.0
    text: str = ""  # the report

    @property
    def status(self) -> int:
        return NOT_CHECKED if self.failure else FOUND if self.findings else FINE

    def __str__(self) -> str:
        return self.failure or self.text


def status_of(results: Sequence[Checked]) -> int:
    """0: all was checked and nothing found. 1: something was found. 2: something was not checked, or nothing was."""
    return max((result.status for result in results), default=NOT_CHECKED)


def check_file(path: str | Path, launch: str | None = None, options: Options | None = None) -> list[Checked]:
    """Check one launch of a file; if none is given, all that its comments tell (// launch: …), else its main().

    Nothing is raised for what a file or a compiler is to blame for: that is a Checked with a failure.
    """
    path, options, begun = Path(path), options or Options(), time.perf_counter()
    try:
        check_is_source(path)
        source = read_source(path)
        launches = [(1, launch)] if launch else launches_in(source)
        if not launches and not has_main(source):
            raise ValueError(which_launch(path, source))
        module = load(path, include=options.include, via=options.via)
    except (EmulatorError, OSError, ValueError) as error:
        return [Checked(path, "the file", failure=_words(error), seconds=time.perf_counter() - begun)]
    if not launches:
        return [_timed(_check_program, path, "main()", 1, module, options)]
    return [_timed(_check_launch, path, text, line, module, options) for line, text in launches]


def _timed(check, path: Path, name: str, line: int, module: Module, options: Options) -> Checked:
    begun = time.perf_counter()
    try:
        found, remarks, text = check(name, module, options)
    except (EmulatorError, OSError, ValueError, TypeError, OverflowError) as error:
        return Checked(path, name, line, failure=_words(error), seconds=time.perf_counter() - begun)
    return Checked(path, name, line, found, remarks, seconds=time.perf_counter() - begun, text=text)


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _check_launch(text: str, module: Module, options: Options) -> tuple[list[Finding], list[Finding], str]:
    launch = parse_launch(text) if "<<<" in text else parse_call(text)
    if not launch.grid:
        return _check_function(launch, module, options)
    kernel = module[launch.kernel]
    values, outputs = launch_values(kernel, launch, options.seed)
    limits = {"outputs": outputs, "seconds": options.seconds}
    try:
        report = kernel.check(launch.grid, launch.block, *values, shared=launch.shared, **limits)
    except LaunchError as error:  # the kernel's mistake, of which the checker could tell no more
        return [Finding("launch failed", str(error))], [], str(error)
    return report.findings, [], str(report)


def _check_function(launch: LaunchText, module: Module, options: Options) -> tuple[list[Finding], list[Finding], str]:
    function = Function(module, launch.kernel)
    values, outputs = launch_values(function, launch, options.seed)
    limits = {"seconds": options.seconds, "memory": options.memory}
    return _told(function.check(*values, outputs=outputs, aside=options.aside, **limits), module, options)


def _check_program(_name: str, module: Module, options: Options) -> tuple[list[Finding], list[Finding], str]:
    limits = options.seconds, options.memory
    report = run_program(module, options.arguments, "check", *limits, aside=options.aside)
    return _told(report, module, options)


def _told(report: ProgramReport, module: Module, options: Options) -> tuple[list[Finding], list[Finding], str]:
    """What a program's report says: mistakes, remarks, and all of it as text."""
    found, remarks, text = report.findings, list(report.remarks), str(report)
    if options.strict:
        found, remarks = found + remarks, []
    if report.status and not report.findings:
        ended = Finding("exit status", f"the program ended with exit status {report.status}")
        found, text = [*found, ended], f"{text}\n{ended}"
    if not report.launches and not found and module.kernels:
        raise LaunchError("it came to its end and launched no kernel")
    return found, remarks, text


def launch_values(kernel: Kernel | Function, launch: LaunchText, seed: int = 0) -> tuple[list, list[str]]:
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
