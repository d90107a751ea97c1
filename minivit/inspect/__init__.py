"""What a model sees and how its training went: arrays first, then pictures of them.

Arrays: attention.py, relevance.py, embedding.py, mistakes.py; observation.py runs the model once for all of a page. A
figure a function: plots.py (a run, weights), maps.py (what a ViT looks at), pixels.py (the same of any classifier);
page.py makes a page on one picture, report.py writes a run's pictures. A detector's are in detections.py, queries.py
and detectors.py. Images are raw here, as `model.predict` takes them.
"""

from .attention import (
    attention_distance,
    attention_maps,
    attention_rollout,
    class_attention,
    even_distance,
    patch_distances,
    readers,
    rollout,
    seen_by_head,
)
from .canvas import save_figure
from .detections import (
    best_guesses,
    detection_mistakes,
    draw_detections,
    plot_detections,
    plot_found,
    plot_precision_recall,
)
from .detectors import (
    plot_detector_attention,
    plot_detector_history,
    plot_detector_queries,
    plot_detector_rounds,
    plot_detector_sampling,
    sure_of,
    write_detector_report,
)
from .embedding import (
    patch_filter_components,
    patch_filters,
    patch_token_colours,
    patch_tokens,
    position_similarity,
    position_table,
    principal_components,
)
from .filled_in import plot_filled_in
from .maps import (
    plot_attention_distance,
    plot_attention_layers,
    plot_patch_filter_components,
    plot_patch_tokens,
    plot_relevance,
    plot_rollout,
)
from .mistakes import confusion_matrix, worst_mistakes
from .page import plot_page
from .pixels import pixel_relevance, plot_pixel_page, plot_pixel_relevance
from .plots import (
    plot_attention,
    plot_history,
    plot_patch_filters,
    plot_position_similarity,
    plot_predictions,
)
from .relevance import attention_gradients, class_relevance, relevance_rollout
from .report import write_report

__all__ = [
    "attention_distance",
    "attention_gradients",
    "attention_maps",
    "attention_rollout",
    "best_guesses",
    "class_attention",
    "class_relevance",
    "confusion_matrix",
    "detection_mistakes",
    "draw_detections",
    "even_distance",
    "patch_distances",
    "patch_filter_components",
    "patch_filters",
    "patch_token_colours",
    "patch_tokens",
    "pixel_relevance",
    "plot_attention",
    "plot_attention_distance",
    "plot_attention_layers",
    "plot_detections",
    "plot_detector_attention",
    "plot_detector_history",
    "plot_detector_queries",
    "plot_detector_rounds",
    "plot_detector_sampling",
    "plot_filled_in",
    "plot_found",
    "plot_history",
    "plot_page",
    "plot_patch_filter_components",
    "plot_patch_filters",
    "plot_patch_tokens",
    "plot_pixel_page",
    "plot_pixel_relevance",
    "plot_position_similarity",
    "plot_precision_recall",
    "plot_predictions",
    "plot_relevance",
    "plot_rollout",
    "position_similarity",
    "position_table",
    "principal_components",
    "readers",
    "relevance_rollout",
    "rollout",
    "save_figure",
    "seen_by_head",
    "sure_of",
    "worst_mistakes",
    "write_detector_report",
    "write_report",
]
