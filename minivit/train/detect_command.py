"""What `python -m minivit detect` does: any picture -> what is where, as lines and as a picture with boxes."""

import argparse
import math
from typing import Any

import numpy as np

from ..data import TRAINED_DETECTORS, class_names
from ..data.canvas import SIDE
from ..messages import short
from .detection import is_detector


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", help="any picture file; of digits: on even paper, a quarter to a half of it high")
    parser.add_argument(
        "--model",
        default=str(TRAINED_DETECTORS["deformable"]),
        help="a detector's model.npz or checkpoint.npz, or a published one's; a Deformable DETR of digits if not given",
    )
    parser.add_argument(
        "--sure", type=_score, help="the least score that is shown; .5 of a DETR, .3 of others, if not given"
    )
    parser.add_argument(
        "--out", default="detections.png", help="the picture, .png, .svg or .pdf; detections.png if not given"
    )


def detect(args: argparse.Namespace, model: Any) -> int:
    from ..data.opening import on_white, open_picture  # Pillow, and Matplotlib: loaded where pictures are wanted
    from ..data.scene import read_canvas
    from ..inspect import best_guesses, plot_found, save_figure, sure_of

    if not is_detector(model):
        raise ValueError(f"{args.model} is a {type(model).__name__}, expected a detector, such as a DETR")
    picture = np.asarray(on_white(open_picture(args.picture)).convert("RGB"))
    seen = read_canvas(args.picture, SIDE) if model.config.channels == 1 else picture
    (found,) = model.detect([seen], sure_of(model) if args.sure is None else args.sure)
    found = dict(best_guesses(found))
    scale = [a / b for a, b in zip(picture.shape[1::-1], seen.shape[1::-1], strict=True)]  # x, y
    found["boxes"] = found["boxes"] * np.array(scale * 2)
    names = class_names(model.config.classes)
    print(f"{args.picture}: {len(found['labels'])} found")
    for score, label, box in zip(found["scores"], found["labels"], found["boxes"], strict=True):
        x0, y0, x1, y1 = box
        print(f"  {names[label]:>4}  {score:6.1%}  x {x0:.0f} to {x1:.0f}, y {y0:.0f} to {y1:.0f}")
    save_figure(plot_found(picture, found, names), args.out)
    print(f"wrote {args.out}: the picture with a box for each")
    return 0


def _score(text: str) -> float:
    """A type of argparse's: a score."""
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not 0 <= score <= 1:
        raise argparse.ArgumentTypeError(f"it is {short(text)}, expected a score in [0, 1]")
    return score
