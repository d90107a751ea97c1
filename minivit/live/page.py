"""The page's own files, and what stands in them of a model."""

import json
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).parent / "assets"


def asset(name: str) -> str:
    """A file of the page, as text."""
    return (ASSETS / name).read_text(encoding="utf-8")


def embedded(value: Any) -> str:
    """JSON that can stand within a <script>: names of classes may hold anything."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")
