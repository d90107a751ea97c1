"""benchmarks/gpu_day.sh waits for a GPU. Here its heart runs without one, from end to end; and what only a GPU would
show is tried with steps that are made up: limits, what is left out, two visits, and counts that differ.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kernel_support import need, values_for

from minivit.devices.launches import attention_forward, attention_shapes

ROOT = Path(__file__).parents[2]


@pytest.fixture
def day(monkeypatch):
    """gpu_day's modules by name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield lambda name: importlib.import_module(f"gpu_day.{name}")
    for name in [name for name in sys.modules if name.partition(".")[0] == "gpu_day"]:
        monkeypatch.delitem(sys.modules, name)


def test_the_short_dry_day(tmp_path):
    need("cupy")
    command = ["bash", str(ROOT / "benchmarks" / "gpu_day.sh"), "--short", "--dry", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHON": sys.executable})
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "log.txt").read_text("utf-8")
    records = {record["name"]: record for record in json.loads((tmp_path / "records.json").read_text("utf-8"))}
    assert {name: record["status"] for name, record in records.items()} == dict.fromkeys(
        ("env", "model", "small", "counters"), "passed"
    )
    text = (tmp_path / "gpu_stand_in.md").read_text("utf-8")
    assert "No GPU was used" in text and "44 of 44 counts agree within 2 %" in text
    assert all(f"`{record['command']}`: passed" in text for record in records.values())
    assert str(ROOT) not in text and str(tmp_path) not in text
    assert len(list(tmp_path.iterdir())) <= 8


def test_the_counts_that_a_gpu_is_compared_with_are_the_emulators(day):
    """Of every third group of launches. bash benchmarks/gpu_day.sh predict writes them anew."""
    counters = day("counters")
    rows = iter(counters.predicted())
    for place, (sizes, launches, values) in enumerate(counters.counted(False)):
        for launch, row in zip(launches, rows, strict=False):
            assert (row["sizes"], row["kernel"]) == (sizes, launch.kernel)
            if place % 3 == 0:
                assert row == {"sizes": sizes, "kernel": launch.kernel, **counters.counts(launch, values)}
    assert not list(rows)


def step(day, name, code, part="first", seconds=30, **more):
    return day("plan").Step(name, f"{name}?", seconds, (sys.executable, "-c", code), part, **more)


@pytest.fixture
def run(day, monkeypatch, tmp_path):
    """Run these steps as a part, and give their records by name."""
    runner = day("run")
    monkeypatch.setattr(day("page"), "RESULTS", tmp_path / "results")

    def run(steps, parts=("first", "second"), **more):
        for module in ("run", "page"):
            monkeypatch.setattr(day(module), "plan", lambda *_: steps)
        code = runner.run(parts, False, False, tmp_path, **more)
        return code, runner.load(tmp_path / "records.json")

    return run


def test_a_step_that_fails_or_takes_too_long_stops_no_other(day, run, tmp_path, capsys):
    steps = [
        step(day, "env", "print('GPU: NVIDIA Test 4')"),
        step(day, "bad", "print('it was so'); raise SystemExit(3)"),
        step(day, "slow", "import time; print('on its way', flush=True); time.sleep(999)", seconds=6),
        step(day, "absent", "", left_out="there is none"),
        step(day, "good", "print('ok 1'); print('noise')", part="second", shown="^ok"),
    ]
    code, records = run(steps)
    assert code == 1
    assert [records[name].status for name in ("env", "bad", "slow", "absent", "good")] == [
        "passed", "failed", "stopped", "left out", "passed",
    ]  # fmt: skip
    assert records["bad"].lines == ["it was so"] and records["slow"].lines == ["on its way"]
    assert records["good"].lines == ["ok 1"]
    assert 6 <= records["slow"].seconds < 900
    assert "left out: absent (there is none)" in capsys.readouterr().out
    text = (tmp_path / "results" / "gpu_test_4.md").read_text("utf-8")
    assert text.startswith("# minivit on NVIDIA Test 4\n")
    assert "2 of 4 steps did not pass: bad, slow" in text
    assert "| absent | absent? | left out: there is none |  |" in text


def test_what_has_no_time_left_is_left_out_by_name(day, run, monkeypatch, capsys):
    monkeypatch.setitem(day("plan").ROOM, "first", 6)
    steps = [
        step(day, "env", "import time; time.sleep(2)"),
        step(day, "late", ""),
        step(day, "other", "", part="second"),
    ]
    code, records = run(steps)
    assert code == 0 and records["late"].status == "left out" and records["other"].status == "passed"
    assert "left out: late (no time was left of the part's 6 s)" in capsys.readouterr().out


def test_the_second_visit_begins_with_what_had_failed_in_the_first(day, run, tmp_path):
    failing = "print('FAILED tests/devices/test_x.py::test_y[a-gpu] - AssertionError: 3'); raise SystemExit(1)"
    first = [
        step(day, "env", ""),
        step(day, "tests", failing),
        step(day, "model", ""),
        step(day, "times", "", "second"),
    ]
    assert run(first, ("first",))[0] == 1
    steps = {s.name: s for s in day("run").again(first, day("run").load(tmp_path / "records.json"))}
    assert list(steps) == ["env", "tests"]
    assert steps["tests"].command[-1] == "tests/devices/test_x.py::test_y[a-gpu]"
    mended = [first[0], step(day, "tests", "print('1 passed')"), *first[2:]]
    day("run").tests = lambda dry, names: mended[1].command
    code, records = run(mended, ("second",))
    assert code == 0 and (records["tests"].status, records["tests"].before) == ("passed", "failed")
    assert records["tests"].lines[-1] == "1 passed" and records["tests"].lines[0].startswith("FAILED")
    assert [records[name].status for name in ("model", "times")] == ["passed", "passed"]


def test_the_gpus_share_of_the_tests(day):
    parts = day("plan").ON_A_GPU.split(" or ")
    names = [
        "test_x[gpu]",
        "test_x[gpu-plain]",
        "test_x[3-gpu]",
        "test_x[3-gpu-4]",
        "test_x[source]",
        "test_a_gpu[ptx]",
    ]
    assert [any(part in name for part in parts) for name in names] == [True, True, True, True, False, False]


def test_counts_that_differ_are_shown_with_both(day, tmp_path, capsys):
    counters, ncu, failures = day("counters"), day("ncu"), day("findings").failures
    rows = counters.predicted(short=True)
    rows[0] |= {"global load moved": rows[0]["global load moved"] * 2, "global load requests": 4_650}  # of 4,608
    ncu.write_as_ncu(rows, tmp_path / "ncu.csv")
    counters.counters(False, True, tmp_path)
    printed = capsys.readouterr().out
    assert "73,728 / 147,456" in printed and "4,608 /" not in printed
    assert "FAIL 43 of 44 counts agree within 2 %" in printed and failures == ["43 of 44 counts agree within 2 %"]
    ncu.write_as_ncu(rows[1:], tmp_path / "ncu.csv")
    counters.counters(False, True, tmp_path)
    assert "FAIL 9 launches were predicted, 8 measured" in capsys.readouterr().out
    assert "the order of the launches" in failures[-1]
    (tmp_path / "ncu.csv").write_text("==ERROR== ERR_NVGPUCTRPERM\n")
    counters.counters(False, True, tmp_path)
    assert "holds no counts: was ncu allowed to read them?" in failures[-1]


def test_a_counter_that_ncu_does_not_know_is_no_agreement(day, tmp_path, capsys):
    counters, ncu = day("counters"), day("ncu")
    ncu.write_as_ncu(counters.predicted(short=True), tmp_path / "ncu.csv")
    text = (tmp_path / "ncu.csv").read_text("utf-8").replace(ncu.COUNTERS["shared load moved"], "another")
    (tmp_path / "ncu.csv").write_text(text, "utf-8")
    counters.counters(False, True, tmp_path)
    assert "42 of 44 counts agree" in capsys.readouterr().out


def test_what_is_copied_asynchronously_is_neither_loaded_nor_stored(day):
    """Forward 6 moves what 5 does: K and V by cp.async, which ncu counts apart."""
    counters, shapes = day("counters"), attention_shapes(1, 1, 33, 8)
    counts = []
    for version in (5, 6):
        launches = attention_forward(1, 1, 33, 8, np.float32, False, version)
        values = values_for(launches, shapes, N=33, scale=0.3) | {"bias": None}
        counts.append(counters.counts(launches[0], values))
    loaded, copied = counts
    for what, plain in (("global copy moved", "global load moved"), ("shared copy moved", "shared store moved")):
        assert loaded[what] == 0 < copied[what]
        assert copied[what] + copied[plain] == loaded[plain]
