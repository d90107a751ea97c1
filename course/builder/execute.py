"""Run a notebook from top to bottom in a fresh kernel, and keep of its outputs what a reader wants to see."""

import os
from pathlib import Path

from nbclient import NotebookClient
from nbformat import NotebookNode

LARGEST = 400_000  # bytes of a notebook
SECONDS = 600


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
    client.execute(env=environment | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"})
    for cell, source in zip(notebook.cells, shown, strict=True):
        cell.metadata, cell.source = {}, source  # the metadata say when it ran
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise NotebookError(f"a cell writes to stderr:\n{output.text}\nin\n{cell.source}")
    notebook.metadata.pop("widgets", None)
    return notebook


def pictures(notebook: NotebookNode) -> list[tuple[str, str]]:
    """Alternative text and PNG, in base64, of every picture in the outputs."""
    return [
        (output.metadata.get("image/png", {}).get("alt", ""), output.data["image/png"])
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
