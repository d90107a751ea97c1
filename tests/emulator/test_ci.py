"""Checks that other programs read: several files, exit statuses, JUnit, SARIF, GitHub's notes; the pytest fixture."""

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from minivit.__main__ import main

RIGHT = """// launch: scale<<<2, 64>>>(y[100], x[100], 100)
__global__ void scale(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = 2 * x[i];
}
"""
WRONG = RIGHT.replace("if (i < n) ", "")
RACE = """// launch: last<<<1, 64>>>(y[1])
// launch: last<<<1, 1>>>(y[1])
__global__ void last(int* y) { y[0] = threadIdx.x; }
"""
PROGRAM = """#include <cstdio>
__global__ void one(int* y) { *y = 1; }
int main(int argc, char** argv) {
    int* y;
    printf("the program's own words\\n");
    if (argc < 2) return 0;
    cudaMalloc(&y, 4);
    one<<<1, 1>>>(y);
    return argc - 2;
}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"right.cu": RIGHT, "wrong.cu": WRONG, "race.cu": RACE, "program.cu": PROGRAM, "broken.cu": "int 1;"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "none.cu").write_text("__global__ void k() {}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("right.cu", 0),
        ("right.cu right.cu", 0),
        ("right.cu wrong.cu", 1),
        ("race.cu", 1),
        ("none.cu", 2),
        ("missing.cu", 2),
        ("broken.cu", 2),
        ("wrong.cu none.cu right.cu", 2),
        ("program.cu", 2),  # launches nothing
        ("program.cu --args go", 0),
        ("program.cu --strict --args go", 1),
        ("program.cu --args go and fail", 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "sarif"])
def test_exit_statuses(folder, capfd, words, status, form):
    files, _, args = words.partition(" --")
    extra = ["--" + args.split()[0], *args.split()[1:]] if args else []
    assert main(["kernel", *files.split(), "--check", "--format", form, *extra]) == status
    out, err = capfd.readouterr()
    assert ("minivit: " in err) == (status == 2)
    assert form == "text" or json.loads(out)["runs"][0]["invocations"][0]["exitCode"] == status


def test_no_compiler_is_no_success(folder):
    command = [sys.executable, "-m", "minivit", "kernel", "right.cu", "--check", "--format", "junit"]
    env = {**os.environ, "MINIVIT_CXX": "no-such-compiler"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    (error,) = ElementTree.fromstring(done.stdout).iter("error")
    assert "no-such-compiler" in error.get("message")


def test_formats_want_a_check_and_a_launch_one_file(folder, capfd):
    assert main(["kernel", "right.cu", "--format", "junit"]) == 2
    assert main(["kernel", "right.cu", "wrong.cu"]) == 2
    assert main(["kernel", "right.cu", "wrong.cu", "--check", "scale<<<1, 32>>>(y[9], x[9], 9)"]) == 2
    assert main(["kernel", "scale<<<1, 32>>>(y[9], x[9], 9)"]) == 2
    err = capfd.readouterr().err
    for words in ("say --check, too", "only --check takes more than one", "one launch, of one file", "which file?"):
        assert words in err


def test_the_text_counts(folder, capfd):
    main(["kernel", "right.cu", "race.cu", "none.cu", "--check"])
    out, err = capfd.readouterr()
    assert (
        out.endswith("2 without a mistake, 1 with mistakes, 1 not checked\n") and "race.cu: last<<<1, 64>>>: 1" in out
    )
    assert "which launch?" in err


def test_junit(folder, capfd):
    """What Jenkins, GitLab and others read: a testcase has a name, a classname, a time, and at most one failure."""
    files = ["right.cu", "race.cu", "none.cu", "program.cu"]
    assert main(["kernel", *files, "--check", "--format", "junit", "--args", "go"]) == 2
    out, err = capfd.readouterr()
    assert out.startswith("<?xml") and "the program's own words" in err
    (suite,) = ElementTree.fromstring(out)
    cases = list(suite)
    assert [suite.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["5", "1", "1", "0"]
    assert (
        suite.tag == "testsuite" and float(suite.get("time")) > 0 and suite.get("timestamp") and suite.get("hostname")
    )
    assert [(case.get("classname"), case.get("name"), case.get("line")) for case in cases] == [
        ("right.cu", "scale<<<2, 64>>>(y[100], x[100], 100)", "1"),
        ("race.cu", "last<<<1, 64>>>(y[1])", "1"),
        ("race.cu", "last<<<1, 1>>>(y[1])", "2"),
        ("none.cu", "the file", "1"),
        ("program.cu", "main()", "1"),
    ]
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], [], ["error"], ["system-out"]]
    (failure,) = cases[1]
    assert failure.get("type") == "race" and failure.get("message").startswith("race.cu:3: race: thread (")
    assert "__syncthreads()" in failure.text and "never freed" in cases[4][0].text


def test_what_xml_does_not_know_is_taken_out(folder, capfd):
    (folder / "odd.cu").write_text(
        '// launch: k<<<1, 1>>>()\n__global__ void k() { assert(!"\x1b[31m & <\u2028>"); }\n'
    )
    assert main(["kernel", "odd.cu", "--check", "--format", "junit"]) == 1
    (failure,) = ElementTree.fromstring(capfd.readouterr().out).iter("failure")
    assert "?[31m & <\u2028>" in failure.text


def test_sarif(folder, capfd):
    """What the schema of 2.1.0 and GitHub's code scanning ask for."""
    (folder / "in a").mkdir()
    (folder / "in a" / "deep.cu").write_text(WRONG)
    files = ["in a/deep.cu", "race.cu", "none.cu", "program.cu"]
    assert main(["kernel", *files, "--check", "--format", "sarif", "--args", "go"]) == 2
    log = json.loads(capfd.readouterr().out)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json") and len(log["runs"]) == 1
    (run,) = log["runs"]
    driver, (invocation,) = run["tool"]["driver"], run["invocations"]
    assert driver["name"] and not invocation["executionSuccessful"]
    (told,) = invocation["toolExecutionNotifications"]
    assert told["level"] == "error" and "which launch?" in told["message"]["text"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert ids == ["out-of-bounds", "race", "never-freed", "error-not-asked-for"]
    places = []
    for result in run["results"]:
        assert ids[result["ruleIndex"]] == result["ruleId"] and result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] in run["originalUriBaseIds"]
        places.append((result["level"], place["artifactLocation"]["uri"], place["region"]["startLine"]))
    assert places[:2] == [("error", "in%20a/deep.cu", 4), ("error", "race.cu", 3)]
    assert places[2:] == [("note", "program.cu", 7), ("note", "program.cu", 8)]
    (other,) = run["results"][1]["relatedLocations"]
    assert other["physicalLocation"]["region"]["startLine"] == 3
    assert run["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"file://{folder.as_posix()}/"


def test_a_file_elsewhere_has_its_whole_address(folder, capfd, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    (folder.parent / "elsewhere").mkdir(exist_ok=True)
    monkeypatch.chdir(folder.parent / "elsewhere")
    assert main(["kernel", str(folder / "wrong.cu"), "--check", "--format", "sarif"]) == 1
    (result,) = json.loads(capfd.readouterr().out)["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": f"file://{(folder / 'wrong.cu').as_posix()}"}


def test_github(folder, capfd):
    assert main(["kernel", "race.cu", "none.cu", "program.cu", "--check", "--format", "github", "--args", "go"]) == 2
    notes = [line for line in capfd.readouterr().out.splitlines() if line.startswith("::")]
    assert notes[0].startswith("::error file=race.cu,line=3,title=race::thread (") and "%" not in notes[0]
    assert notes[1].startswith("::error file=none.cu,line=1,title=not checked::which launch?")
    assert notes[2] == "::warning file=program.cu,line=7,title=never freed::4 bytes (y) are never freed."
    (folder / "a,b%c.cu").write_text(WRONG)
    main(["kernel", "a,b%c.cu", "--check", "--format", "github"])
    assert "::error file=a%2Cb%25c.cu,line=4,title=out of bounds::" in capfd.readouterr().out


TESTS = """
import numpy as np
pytest_plugins = ["minivit.emulator.pytest_plugin"]

def launch(n):
    return -(-n // 64), 64, (np.empty(n, np.float32), np.random.default_rng(0).random(n, np.float32), n)
def reference(y, x, n):
    y[:] = 2 * x
def test_right(cuda):
    cuda.check("right.cu")
    cuda.check("right.cu", "scale<<<1, 64>>>(y[9], x[9], 9)", seed=3)
    assert cuda.compare(cuda.load("right.cu")["scale"], reference, [100], launch)
def test_wrong(cuda):
    cuda.check("wrong.cu")
def test_unlike(cuda):
    cuda.compare(cuda.load("right.cu")["scale"], lambda y, x, n: np.multiply(3, x, out=y), [100], launch)
def test_nothing_to_check(cuda):
    cuda.check("none.cu")
"""


def test_the_pytest_fixture(folder):
    (folder / "test_kernels.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_kernels.py"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "3 failed, 1 passed" in done.stdout, done.stdout
    assert "wrong.cu:4: out of bounds" in done.stdout and "this check is unsound" not in done.stdout
    assert "EmulatorError: which launch?" in done.stdout and "scale: wrong at" in done.stdout


def test_what_does_not_compile_is_shown_at_its_line(folder, capfd):
    (folder / "typo.cu").write_text(RIGHT.replace("y[i] = 2", "y[i] = two"))
    main(["kernel", "typo.cu", "--check", "--format", "sarif"])
    (note,) = json.loads(capfd.readouterr().out)["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert "typo.cu:4: " in note["message"]["text"]
    assert note["locations"][0]["physicalLocation"]["region"]["startLine"] == 4
    main(["kernel", "typo.cu", "--check", "--format", "github"])
    assert capfd.readouterr().out.startswith("::error file=typo.cu,line=4,title=not checked::typo.cu:4: ")
