"""Planted mistakes: right kernels are clean, and in each wrong one the checker finds what was planted, and where."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from zoo_mistakes import MISTAKES, SLOW

from minivit import emulator
from minivit.emulator.command import launch_values
from minivit.emulator.compiler import find_compiler
from minivit.emulator.includes import flatten
from minivit.emulator.launch_text import LaunchText, launch_in, parse_launch

ZOO = Path(__file__).parent / "zoo"
RIGHT = sorted(path.name for path in ZOO.glob("*.cu"))
SHARED = re.compile(r"^extern __shared__.*$", re.MULTILINE)


@dataclass(frozen=True)
class Animal:
    """A kernel in a library of many: its name there, and how it is launched."""

    kernel: emulator.Kernel
    launch: LaunchText

    def check(self, **options):
        values, outputs = launch_values(self.kernel, self.launch)
        where = self.launch.grid, self.launch.block
        return self.kernel.check(*where, *values, shared=self.launch.shared, outputs=outputs, **options)

    def profile(self):
        values, _ = launch_values(self.kernel, self.launch)
        return self.kernel.profile(self.launch.grid, self.launch.block, *values, shared=self.launch.shared)


def together(sources):
    """Several texts as one module, each in a namespace of its own, compiled at once; a dict of Animals by key.

    `extern __shared__` must stay outside of namespaces: it names the launch's one dynamic memory.
    """
    texts, names, launches = [], [], []
    for number, (file, source) in enumerate(sources.values()):
        shared, source = "".join(SHARED.findall(source)), SHARED.sub("", source)
        texts.append(f'{shared}\nnamespace m{number} {{\n#line 1 "{number}/{file}"\n{source}\n}}')
        launches.append(parse_launch(launch_in(source)))
        names.append(f"m{number}::{launches[-1].kernel}")
    module = emulator.Module("\n".join(texts), "zoo.cu")
    module.compile(names, "trace")
    module.compile(names)  # for their signatures
    return {key: Animal(module[n], launch) for key, n, launch in zip(sources, names, launches, strict=True)}


def changed(file, text, replacement):
    source = flatten(ZOO / file).split("\n", 1)[1]
    assert source.count(text) >= 1, f"{file} has no {text!r}"
    return source.replace(text, replacement)


@pytest.fixture(scope="module")
def zoo():
    sources = {(file, "right"): (file, flatten(ZOO / file).split("\n", 1)[1]) for file in RIGHT}
    sources |= {(m[0], m[1]): (m[0], changed(m[0], m[2], m[3])) for m in [*MISTAKES, *SLOW]}
    return together(sources)


@pytest.mark.parametrize("file", RIGHT)
def test_right_kernels_are_clean(zoo, file):
    report = zoo[file, "right"].check()
    assert report.ok, report


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda m: f"{m[0]}: {m[1]}")
def test_a_mistake_is_found_and_named(zoo, mistake):
    file, what, _, _, kind, line = mistake
    if kind == "misaligned" and find_compiler().family != "gcc":
        pytest.skip("clang takes vectors apart: it is no longer seen that they were loaded at once")
    report = zoo[file, what].check(seconds=1 if kind == "endless loop" else 20)
    assert not report.ok
    found = [finding for finding in report.findings if finding.kind == kind]
    assert found, report
    assert any(line in finding.source or line in finding.other_source for finding in found), report
    assert all(finding.mend for finding in found), report


def test_races_do_not_depend_on_the_order(zoo):
    """What ran first is chance: whatever the order of threads and blocks, the same lines are in the same races."""
    for file, what, *_, kind, _ in MISTAKES:
        if kind == "race":
            found = [
                {
                    (f.kind, f.line, f.other_line)
                    for f in zoo[file, what].check(order=order).findings
                    if f.kind == "race"
                }
                for order in range(4)
            ]
            assert found[0]
            assert found[1:] == found[:1] * 3, (file, what)


@pytest.mark.parametrize("mistake", SLOW, ids=lambda m: f"{m[0]}: {m[1]}")
def test_missing_padding_shows_in_the_profile(zoo, mistake):
    file, what, _, _, line, ways = mistake
    assert zoo[file, what].check().ok
    (conflict,) = [row for row in zoo[file, what].profile().lines if row.conflicts]
    assert line in conflict.source
    assert conflict.most == ways
    assert not any(row.conflicts for row in zoo[file, "right"].profile().lines)
