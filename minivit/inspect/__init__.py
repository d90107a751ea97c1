"""What a model sees and how its training went: arrays (attention.py, embedding.py, mistakes.py), then pictures of them.

plots.py draws one figure a function; report.py writes them all. Images are raw here, as `model.predict` takes them.
"""

from .attention import class_attention
from .canvas import save_figure
from .embedding import patch_filters, position_similarity, position_table
from .mistakes import confusion_matrix, worst_mistakes
from .plots import (
    plot_attention,
    plot_history,
    plot_patch_filters,
    plot_position_similarity,
    plot_predictions,
)
from .report import write_report

__all__ = [
    "class_attention",
    "confusion_matrix",
    "patch_filters",
    "plot_attention",
    "plot_history",
    "plot_patch_filters",
    "plot_position_similarity",
    "plot_predictions",
    "position_similarity",
    "position_table",
    "save_figure",
    "worst_mistakes",
    "write_report",
]
