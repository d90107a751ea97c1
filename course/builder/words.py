"""Where a chapter's words have changed and its code has not: the new notebook, with the outputs that it had."""

from collections.abc import Mapping

from nbformat import NotebookNode

from minivit.draw.page import as_html

from .execute import NotebookError


def with_outputs(
    made: NotebookNode, before: NotebookNode, alts: Mapping[str, str], alts_before: Mapping[str, str]
) -> NotebookNode:
    """`made`, not executed, with the outputs of `before`, and with today's alternative texts (by their number).

    Raises NotebookError where a code cell differs: then it has to be executed.
    """
    new, old = ([cell for cell in notebook.cells if cell.cell_type == "code"] for notebook in (made, before))
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise NotebookError("its code has changed: build it without --words")
    now = {text: alts[number] for number, text in alts_before.items()}
    for cell, executed in zip(new, old, strict=True):
        cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                told = output.metadata["image/png"]
                told["alt"] = output.data["text/plain"] = now[told["alt"]]
                output.data["text/html"] = as_html(output.data["image/png"], told["width"], told["alt"])
    for cell in made.cells:
        cell.metadata = {}
    return made
