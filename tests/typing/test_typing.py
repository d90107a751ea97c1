"""What a type checker says of scripts that use minivit: of a right one nothing, of a wrong one all that is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = HERE / "right.py", HERE / "wrong.py"
PUBLISHED = ROOT / "tests" / "fixtures" / "parity" / "timm_cls.safetensors"


def found(cache):
    """mypy's errors in both scripts, as strict as it can be: {(file, line, code), …}. It takes minivit from this
    checkout, and says nothing of minivit's own files."""
    options = ["--strict", "--config-file=", "--follow-imports=silent", "--no-pretty", f"--cache-dir={cache}"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MYPY")}
    command = [sys.executable, "-m", "mypy", *options, *SCRIPTS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = re.findall(r"^(.+?):(\d+): error: .*\[([a-z-]+)\]$", done.stdout, re.MULTILINE)
    return {(Path(file).name, int(line), code) for file, line, code in errors}


def marked():
    """The errors that the scripts themselves say they have, in the same form."""
    for script in SCRIPTS:
        for number, line in enumerate(script.read_text("utf-8").splitlines(), 1):
            if mark := re.search(r"# error: ([a-z-]+)$", line):
                yield script.name, number, mark[1]


def test_every_mistake_is_found_and_nothing_else(tmp_path):
    expected = set(marked())
    assert len(expected) > 20 and {file for file, _, _ in expected} == {"wrong.py"}
    assert found(tmp_path) == expected


def test_the_right_script_runs(tmp_path):
    command = [sys.executable, SCRIPTS[0], tmp_path, PUBLISHED]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "agg"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
