"""All mistakes that test_planted_mistakes.py plants: the lists of the files planted_*.py."""

from importlib import import_module
from pathlib import Path

_FILES = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("planted_*.py"))]
PLANTED = [
    mistake
    for file in _FILES
    for name, mistakes in vars(file).items()
    if name == "MISTAKES" or name.startswith("IN_")
    for mistake in mistakes
]
