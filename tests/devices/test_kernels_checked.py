"""Every kernel of the project under the checker, at ragged sizes; and mistakes planted in them, which it must find."""

import functools
import re
from dataclasses import replace

import cross_attention_mistakes as cross
import deformable_mistakes as deformable
import kernel_mistakes
import layernorm_narrow_mistakes as narrow
import numpy as np
import pytest
import roi_align_mistakes as regions
import rungs_mistakes as rungs
from kernel_cases import CASES, Case
from kernel_support import KERNELS, traced

from minivit import emulator
from minivit.devices import launches as table
from minivit.emulator.command import launch_values
from minivit.emulator.compiler import find_compiler
from minivit.emulator.includes import flatten
from minivit.emulator.launch_text import launch_in, parse_launch
from minivit.emulator.source import find_kernels

SHARED = re.compile(r"^extern __shared__.*$", re.MULTILINE)
LINE = re.compile(r'^#line (\d+) "', re.MULTILINE)
MISTAKES, LAUNCHED_WRONGLY, SLOW, WRONG_NUMBERS = (
    [
        mistake
        for file in (kernel_mistakes, cross, deformable, narrow, regions, rungs)
        for mistake in getattr(file, name)
    ]
    for name in ("MISTAKES", "LAUNCHED_WRONGLY", "SLOW", "WRONG_NUMBERS")
)
FILES = {name: path.name for path in sorted(KERNELS.glob("*.cu")) for name in find_kernels(path.read_text("utf-8"))}


# ---- what it runs on -------------------------------------------------------------------------------------------------


@functools.cache
def library(file):
    """The file's kernels of all cases, compiled at once."""
    module = emulator.load(KERNELS / file)
    launches = [case.launch for name in CASES for case in CASES[name] if case.launch.file == file]
    launches += [wrong_launch(mistake).launch for mistake in LAUNCHED_WRONGLY if FILES[mistake[0]] == file]
    module.compile(sorted({launch.kernel for launch in [*launches, header_launch(file)]}), "trace")
    return module


def header_launch(file):
    """The launch that the file's comment gives."""
    return parse_launch(launch_in((KERNELS / file).read_text("utf-8")))


@functools.cache
def wrong_library(file):
    """The file with each of its mistakes and as it is, compiled at once: the module, and the kernels' names in it."""
    source, texts, names = flatten(KERNELS / file), [], {}
    compared = [mistake for mistake in WRONG_NUMBERS if FILES[mistake[0]] == file]
    for kernel, what, text, replacement, *_ in [*MISTAKES, *SLOW, *compared]:
        if FILES[kernel] == file:
            assert text in source, f"{file} has no {text!r} (any more)"
            assert (kernel, what) not in names
            names[kernel, what] = add(texts, source.replace(text, replacement), kernel)
    for kernel in sorted({mistake[0] for mistake in [*SLOW, *compared] if FILES[mistake[0]] == file}):
        names[kernel, "right"] = add(texts, source, kernel)
    module = emulator.Module("\n".join([*SHARED.findall(source), *texts]), file)
    module.compile(sorted(names.values()), "trace")
    module.compile(sorted(names[key] for kernel, what, *_ in compared for key in ((kernel, what), (kernel, "right"))))
    return module, names


def add(texts, source, kernel):
    """Add the source to the texts, in a namespace of its own, and return the kernel's name there.

    `extern __shared__` must stay outside of namespaces: it names the launch's one dynamic memory.
    """
    space = f"m{len(texts)}"
    renumbered = LINE.sub(rf'#line \1 "{space}/', SHARED.sub("", source))
    texts.append(f"namespace {space} {{\n{renumbered}\n}}")
    return f"{space}::" + CASES[kernel][0].launch.kernel.replace("ERF", f"{space}::ERF")  # which stands there too


def planted(mistake, instead=None):
    """The wrong kernel, or the right one instead, and the case to run it in."""
    kernel, what, *_ = mistake
    module, names = wrong_library(FILES[kernel])
    return traced(module, names[kernel, instead or what]), CASES[kernel][0]


def wrong_launch(mistake):
    """The kernel's first case, with what the mistake changes in the launch or in its arguments."""
    kernel, _, changes, *_ = mistake
    case = CASES[kernel][0]
    if "shared" in changes:
        changes = {"shared": case.launch.shared - changes["shared"]}
    in_launch = {name: value for name, value in changes.items() if hasattr(case.launch, name)}
    in_values = {name: value for name, value in changes.items() if name in case.values}
    assert len(in_launch) + len(in_values) == len(changes)
    return Case(replace(case.launch, **in_launch), case.values | in_values)


def check(kernel, case, seconds=20):
    return kernel.check(*case.call, shared=case.launch.shared, seconds=seconds)


# ---- tests -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", FILES)
def test_nothing_is_found(kernel):
    """In no kernel of the folder: one that nobody launches here fails."""
    assert CASES[kernel], f"{kernel} of {FILES[kernel]} is in no case"
    for case in CASES[kernel]:
        report = check(traced(library(FILES[kernel]), case.launch.kernel), case)
        assert report.ok, f"\n{report}"


def test_every_row_of_the_launch_table_is_checked():
    rows = {launch.kernel.split("<")[0] for file in table.FILES for launch in file.every_launch()}
    assert rows == set(CASES) == set(FILES)


@pytest.mark.parametrize("file", sorted(set(FILES.values())))
def test_the_launch_in_a_files_comment_is_clean(file):
    launch = header_launch(file)
    kernel = traced(library(file), launch.kernel)
    values, outputs = launch_values(kernel, launch)
    report = kernel.check(launch.grid, launch.block, *values, shared=launch.shared, outputs=outputs)
    assert report.ok, f"\n{report}"


def need_whole_vectors():
    if find_compiler().family != "gcc":
        pytest.skip("clang takes vectors apart: it is no longer seen that they were loaded at once")


def assert_named(report, kind, line):
    if kind == "misaligned":
        need_whole_vectors()
    found = [finding for finding in report.findings if finding.kind == kind]
    assert found, report
    assert all(finding.mend for finding in found), report
    assert any(line in text for f in found for text in (f.source, f.other_source, f.called_source)), report


def title(mistake):
    return f"{mistake[0]}: {mistake[1]}"


@pytest.mark.parametrize("mistake", MISTAKES, ids=title)
def test_a_mistake_is_found_and_named(mistake):
    *_, kind, line = mistake
    assert_named(check(*planted(mistake)), kind, line)


@pytest.mark.parametrize("mistake", LAUNCHED_WRONGLY, ids=title)
def test_a_wrong_launch_is_found_and_named(mistake):
    kernel, _, _, kind, line = mistake
    case = wrong_launch(mistake)
    assert_named(check(traced(library(FILES[kernel]), case.launch.kernel), case), kind, line)


def slow_lines(mistake, *instead):
    kernel, case = planted(mistake, *instead)
    report = kernel.profile(*case.call, shared=case.launch.shared)
    *_, text, note = mistake
    return [line for line in report.lines if text in line.source + line.called_source and note in line.note()]


@pytest.mark.parametrize("mistake", SLOW, ids=title)
def test_what_is_slow_shows_in_the_profile(mistake):
    if "load_vec" in mistake[4]:
        need_whole_vectors()
    assert check(*planted(mistake)).ok
    assert slow_lines(mistake)
    assert not slow_lines(mistake, "right")


def results(mistake, *instead):
    """What the kernel writes, wrong or right."""
    kernel, case = planted(mistake, *instead)
    values = {name: value.copy() if isinstance(value, np.ndarray) else value for name, value in case.values.items()}
    kernel.module[kernel.name](*Case(case.launch, values).call, shared=case.launch.shared)
    return [value for value in values.values() if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("mistake", WRONG_NUMBERS, ids=title)
def test_wrong_numbers_are_not_the_checkers_business(mistake):
    """They are found by comparing with NumPy, as the other tests do: far beyond what rounding explains."""
    assert check(*planted(mistake)).ok
    pairs = zip(results(mistake), results(mistake, "right"), strict=True)
    assert max(np.abs(wrong - right).max() / np.abs(right).max() for wrong, right in pairs) > 1e-3
