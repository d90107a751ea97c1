"""Where NVIDIA's programs are."""

import shutil
from pathlib import Path

FOLDERS = ("/usr/local/cuda*/bin", "/usr/local/cuda*/compute-sanitizer", "/opt/nvidia/*/*")


def program(name: str) -> str | None:
    """The path of a program, also where NVIDIA's installers put it and no PATH leads."""
    found = shutil.which(name)
    places = (path for pattern in FOLDERS for path in Path("/").glob(f"{pattern[1:]}/{name}"))
    return found or next((str(path) for path in places if path.is_file()), None)
