"""Run a notebook from top to bottom in a fresh kernel, and keep of its outputs what a reader wants to see."""

import base64
import os
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode

LARGEST, LARGEST_MOVING = 400_000, 600_000  # bytes of a notebook, and of one with animations
SECONDS = 600
QUIET = {"PYDEVD_DISABLE_FILE_VALIDATION": "1"}  # a kernel's debugger would say that some modules are frozen


class NotebookError(RuntimeError):
    """An executed notebook is not fit to be read; the message says why."""


def execute(notebook: NotebookNode, folder: Path, fast: bool = False) -> NotebookNode:
    """Execute every cell in `folder`; `fast` sets MINIVIT_FAST=1. Raises where a cell does."""
    environment = {name: value for name, value in os.environ.items() if name != "MINIVIT_FAST"}
    environment |= {"MINIVIT_FAST": "1"} if fast else {}
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    shown = [cell.source for cell in notebook.cells]
    for cell in notebook.cells:
        cell.source = cell.metadata.pop("executed", cell.source)
    client.execute(env=environment | QUIET)
    for cell, source in zip(notebook.cells, shown, strict=True):
        cell.metadata, cell.source = {}, source  # the metadata say when it ran
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise NotebookError(f"a cell writes to stderr:\n{output.text}\nin\n{cell.source}")
    notebook.metadata.pop("widgets", None)
    return notebook


def largest(notebook: NotebookNode) -> int:
    """How many bytes a notebook may have."""
    return LARGEST_MOVING if any(moves(png) for _, png in pictures(notebook)) else LARGEST


def moves(png: str) -> bool:
    """Is it, in base64, an animation? Its chunk acTL says so, which stands before the first image's data."""
    return b"acTL" in base64.b64decode(png)[:4096]


def pictures(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Alternative text and PNG, in base64, of every picture in the outputs."""
    return [
        (output.metadata.get("image/png", {}).get("alt", ""), output.data["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
