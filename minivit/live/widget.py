"""The page in a notebook: `minivit.Live(model)` as the last line of a cell, in JupyterLab, VS Code or Colab."""

from typing import Any

from ..data import TRAINED_DIGITS
from ..model import Classifier, ViT
from .about import about
from .page import asset
from .session import Session
from .wire import packed


class Live:
    """Draw a digit in a notebook, and watch a model look at it. model: any classifier of digits; the one that ships, if
    none is given. `live.session.model` is the model as it is after steps of training in the page.

    Raises ImportError where anywidget is missing (pip install "minivit[live]"), TypeError or ValueError for a model
    that reads nothing that could be drawn.
    """

    def __init__(self, model: Classifier | None = None) -> None:
        try:
            import anywidget  # of notebooks alone, and not minivit's to load
            import traitlets
        except ImportError as error:
            raise ImportError('minivit.Live needs anywidget: pip install "minivit[live]"') from error
        model = ViT.load(TRAINED_DIGITS) if model is None else model
        self.session = Session(model)
        traits = {
            "_esm": asset("live.js"),
            "_css": asset("live.css"),
            "about": traitlets.Dict(about(model)).tag(sync=True),
        }
        self.widget = type("LiveWidget", (anywidget.AnyWidget,), traits)()
        self.widget.on_msg(self._asked)

    def _asked(self, widget: Any, request: Any, buffers: list[bytes]) -> None:
        answer, arrays = packed(self.session.answer(request))
        widget.send(answer, arrays)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        return self.widget._repr_mimebundle_(**options)

    def __repr__(self) -> str:
        return f"Live({self.session.model!r})"
