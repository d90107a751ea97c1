"""What the README says is so: its code runs, its links lead somewhere, its line counts are counted."""

import dataclasses
import re
from pathlib import Path

import pytest

from minivit.train import mnist

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_examples_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config, recipe = mnist.PRESETS["quick"]
    monkeypatch.setitem(mnist.PRESETS, "quick", (config, dataclasses.replace(recipe, epochs=1)))
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(examples) == 5
    for example in examples:
        exec(example, {})
    assert (tmp_path / "model.npz").exists()


def test_the_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_lines_of_the_reading_path_are_counted():
    rows = [row for row in README.splitlines() if re.match(r"\| \d+ \|", row)]
    total = 0
    for row in rows:
        count = sum(
            len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in re.findall(r"\((.*?)\)", row)
        )
        assert row.endswith(f"| {count} |"), f"{count} lines: {row}"
        total += count
    assert len(rows) == 9 and f"About {round(total, -1)} lines" in README


@pytest.mark.parametrize("command", re.findall(r"^python -m minivit (\w+)", README, re.MULTILINE))
def test_the_commands_exist(command, capsys):
    from minivit.__main__ import main

    with pytest.raises(SystemExit) as ending:
        main([command, "--help"])
    assert ending.value.code == 0
