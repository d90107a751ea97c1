"""The builder is not installed: it lies beside the chapters' sources."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "course"))
