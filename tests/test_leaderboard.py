"""LEADERBOARD.md says what its lines of JSON say, and a line of another recipe is none of its own."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from minivit import TrainConfig

ROOT = Path(__file__).parents[1]


@pytest.fixture
def leaderboard(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import leaderboard

    return leaderboard


def test_the_page_is_that_of_the_lines(leaderboard):
    assert leaderboard.TABLE.read_text("utf-8") == leaderboard.page()


def test_every_line_names_its_commit_and_every_seed_stands_there_once(leaderboard):
    lines = [json.loads(line) for line in leaderboard.RESULTS.read_text("utf-8").splitlines()]
    assert lines and all(re.fullmatch("[0-9a-f]{10}", line["commit"]) for line in lines)
    for name in leaderboard.ENTRIES:
        seeds = [run["seed"] for run in leaderboard.runs(name)]
        assert seeds == sorted(set(seeds))


def test_a_run_counts_for_the_recipe_that_made_it_alone(leaderboard, monkeypatch, tmp_path):
    entry = leaderboard.ENTRIES["quick"]
    run = {"recipe": "quick", "seed": 0, "commit": "0" * 10, "held_out": 0.97, "test": 0.96}
    run |= {"cpu": 30.0, "wall": 18.0, "load": 0.4, "workers": None}
    run |= {"model": entry.model.to_dict(), "train": entry.train.to_dict()}
    del run["train"]["temperature"]  # an option that came later
    other = run | {"seed": 1, "train": run["train"] | {"elastic": 3.0}}
    busy = run | {"seed": 2, "load": 0.6, "held_out": 0.99}
    monkeypatch.setattr(leaderboard, "RESULTS", tmp_path / "lines.jsonl")
    leaderboard.RESULTS.write_text("".join(f"{json.dumps(line)}\n" for line in (busy, other, run)))
    assert [made["seed"] for made in leaderboard.runs("quick")] == [0, 2]
    row = leaderboard.cells("quick")
    assert row[4:] == ["0, 2", "98.00 ± 1.41", "96.00 ± 0.00", "16 (CPU / 2 and clock)"]  # 18 by the clock, 30 / 2
    monkeypatch.setitem(leaderboard.ENTRIES, "quick", entry._replace(train=TrainConfig(epochs=1)))
    assert leaderboard.runs("quick") == []


def test_a_run_learns_nothing_from_what_is_held_out(leaderboard, monkeypatch):
    """The trainer gets the first images, and the last ones are what is measured."""
    given = []
    monkeypatch.setattr(leaderboard, "fit", lambda trainer, images, labels, workers: given.append((trainer, images)))
    monkeypatch.setattr(leaderboard, "evaluate", lambda model, images, labels, workers: given.append(images) or [0] * 3)
    leaderboard.train("quick", 0, 1)
    (trainer, looked_at), held_out, tested = given
    digits = leaderboard.load_mnist()
    assert (trainer.images == digits.train_images[:7000]).all() and len(trainer.images) == 7000
    assert (looked_at == digits.train_images[7000:]).all() and (held_out == digits.train_images[7000:]).all()
    assert (tested == digits.test_images).all()
    assert dataclasses.asdict(trainer.config) == dataclasses.asdict(leaderboard.ENTRIES["quick"].train)
