"""Every kernel of the project under the checker, at ragged sizes; and mistakes planted in them, which it must find."""

import functools
import itertools
import re
from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
import pytest
from kernel_mistakes import LAUNCHED_WRONGLY, MISTAKES, SLOW, WRONG_NUMBERS
from kernel_support import KERNELS, values_for

from minivit import emulator
from minivit.devices import launches as table
from minivit.devices.launch import Launch
from minivit.devices.launches import attention, elementwise, layernorm
from minivit.emulator.command import launch_values
from minivit.emulator.compiler import find_compiler
from minivit.emulator.launch_text import launch_in, parse_launch
from minivit.emulator.source import find_kernels, flatten

F32, F64 = np.float32, np.float64
ADAMW_NUMBERS = ("one_minus_beta1", "one_minus_beta2", "shrink", "step_size", "square_correction", "eps")
SHARED = re.compile(r"^extern __shared__.*$", re.MULTILINE)
LINE = re.compile(r'^#line (\d+) "', re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """A launch with its arguments. Each launch has arrays of its own: none needs what another has written."""

    launch: Launch
    values: dict[str, object]

    @property
    def call(self) -> tuple:
        arguments = self.launch.typed([self.values[name] for name in self.launch.names])
        return self.launch.grid, self.launch.block, *arguments


# ---- what is launched ------------------------------------------------------------------------------------------------
# A kernel's first case is the one in which mistakes are planted: several blocks and tiles, and a tail of each.


def cases(launches, shapes, **given):
    return [Case(launch, values_for([launch], shapes, **given)) for launch in launches]


def elementwise_cases(dtype):
    for n in (1027, 3):
        shapes = dict.fromkeys(("y", "dx", "dy", "x"), n)
        for kind, version in itertools.product(("erf", "tanh"), elementwise.VERSIONS["gelu_forward"]):
            yield from cases([table.gelu_forward(n, dtype, kind, version)], shapes, n=n)
            yield from cases([table.gelu_backward(n, dtype, kind, version)], shapes, n=n)
        numbers = table.adamw_numbers(1e-3, (0.9, 0.999), 1e-8, 0.1, 1)
        shapes = dict.fromkeys(("theta", "mean", "square", "grads", "decays"), n)
        yield from cases([table.adamw(n, dtype)], shapes, n=n, **dict(zip(ADAMW_NUMBERS, numbers, strict=True)))


def patchify_cases(dtype):
    for shape, (patch_height, patch_width) in (((3, 8, 18, 3), (4, 6)), ((1, 1, 1, 1), (1, 1))):
        _, height, width, channels = shape
        given = {"height": height, "width": width, "channels": channels}
        given |= {"patch_height": patch_height, "patch_width": patch_width}
        patch = patch_height, patch_width
        launches = [table.patchify_forward(shape, patch, dtype), table.patchify_backward(shape, patch, dtype)]
        yield from cases(launches, dict.fromkeys(("images", "patches", "dimages", "dpatches"), shape), **given)


def cross_entropy_cases(dtype):
    for rows, classes in ((5, 10), (1, 1), (9, 33)):
        shapes = dict.fromkeys(("dlogits", "logits", "targets"), (rows, classes)) | {"losses": rows}
        given = {"rows": rows, "classes": classes, "smoothing": 0.1}
        labels = np.arange(rows, dtype=np.int32) % classes
        launch = table.cross_entropy(rows, classes, dtype)
        yield from cases([launch], shapes, labels=labels, targets=None, **given)
        launch = table.cross_entropy(rows, classes, dtype, targets=True)
        yield from cases([launch], shapes, labels=None, **given)


def layernorm_cases(dtype):
    for rows, width in ((65, 132), (1, 4), (33, 100), (9, 33), (3, 1)):
        shapes = dict.fromkeys(("y", "x", "dx", "dy"), (rows, width)) | dict.fromkeys(("mean", "rstd"), rows)
        shapes |= dict.fromkeys(("gamma", "beta", "dgamma", "dbeta"), width)
        P = table.partial_rows(rows)
        shapes |= dict.fromkeys(("dgamma_partial", "dbeta_partial"), (P, width))
        given = {"rows": rows, "width": width, "eps": 1e-6, "partials": P}
        for version in layernorm.VERSIONS["layernorm_forward"]:
            if version < 4 or width % 4 == 0:
                yield from cases([table.layernorm_forward(rows, width, dtype, version)], shapes, **given)
        for version in layernorm.VERSIONS["layernorm_backward"]:
            if version < 3 or width % 4 == 0:
                yield from cases(table.layernorm_backward(rows, width, dtype, version), shapes, **given)


def attention_cases(dtype):
    """Heads of 24: of 8 lanes with 16 bytes each, two have none. 72 doubles take smaller tiles."""
    for ladder in (table.attention_forward, table.attention_backward):
        *others, best = attention.VERSIONS[ladder.__name__]
        sizes = [(version, 33, 12) for version in others] + [(best, 33, 24), (best, 5, 24)]
        if dtype == F32:
            sizes += [*((version, 5, 7) for version in others), (best, 65, 40)]
        else:
            sizes += [(version, 17, 72) for version in (*others[1:], best)]
        for (version, N, d), bias in itertools.product(sizes, (True, False)):
            B, H = 2, 2
            given = {"B": B, "N": N, "scale": d**-0.5} | ({} if bias else {"bias": None})
            launches = ladder(B, H, N, d, dtype, bias, version)
            yield from cases(launches, table.attention_shapes(B, H, N, d), **given)


def relative_bias_cases(dtype):
    for N, entries, heads in ((7, 30, 3), (1, 1, 1)):
        index = np.arange(N * N, dtype=np.int32).reshape(N, N) % entries
        given = {"index": index, "pairs": N * N, "entries": entries, "heads": heads}
        shapes = {"dtable": (entries, heads), "dbias": (heads, N, N)}
        yield from cases([table.relative_bias_backward(entries, heads, dtype)], shapes, **given)


def every_case():
    """Cases by the names of their kernels."""
    found = defaultdict(list)
    for dtype in (F32, F64):
        rows = patchify_cases, cross_entropy_cases, layernorm_cases, relative_bias_cases
        for some in (elementwise_cases, *rows, attention_cases):
            for case in some(dtype):
                found[case.launch.kernel.split("<")[0]].append(case)
    return found


CASES = every_case()
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


def traced(module, name):
    """A kernel compiled for the checker alone: module[name] would compile it once more, to be run."""
    built, number = module.built(name, "trace")
    parameters = module.kernels[name.split("<")[0].split("::")[-1]].parameters
    return emulator.Kernel(module, name, built.signature(number), parameters)


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
