"""What `python -m minivit train` can be told, and the folder of a run. The command itself is in ../__main__.py."""

import argparse
import contextlib
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..data.mnist_files import SOURCES
from ..terminal import at_least
from .config import DISTILLATIONS
from .ranks import job
from .recipes import ARCHITECTURES, PRESETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="?", choices=tuple(PRESETS), help="a vit's recipe")
    parser.add_argument("--architecture", choices=ARCHITECTURES, help="the model, a vit if not given")
    parser.add_argument(
        "--pretrain", choices=("mae",), help="without labels: a masked autoencoder fills in what is hidden"
    )
    parser.add_argument(
        "--data", choices=tuple(SOURCES), help="the 10,000 digits that ship (if not given), or a full set"
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch a full set from the public mirrors if it is missing"
    )
    parser.add_argument("--epochs", type=at_least(1), help="instead of the recipe's")
    parser.add_argument("--seed", type=at_least(0), help="0 if not given")
    parser.add_argument(
        "--workers",
        type=at_least(1),
        help="how many share a batch, one a core if not given; the result is the same for any number",
    )
    parser.add_argument(
        "--parallel", choices=("threads", "processes"), help="what the workers are: the faster if not given"
    )
    parser.add_argument(
        "--out", help="folder for the model, the history, the checkpoint and the pictures; a new one in runs/"
    )
    parser.add_argument(
        "--resume", metavar="CHECKPOINT", help="go on from here, with the checkpoint's recipe, data and seed"
    )
    parser.add_argument("--teacher", metavar="MODEL", help="a model.npz to learn from, beside the labels (DeiT)")
    parser.add_argument(
        "--distillation", choices=DISTILLATIONS, help="the teacher's best guess (hard, if not given), or all it says"
    )


@contextmanager
def new_folder(args: argparse.Namespace) -> Iterator[Path]:
    """runs/NAME, or runs/NAME-2 and so on, made now, and so nobody else's; gone again where nothing came into it."""
    architecture = None if args.architecture == "vit" else args.architecture
    data = None if args.data == "digits" else args.data
    name = "-".join(filter(None, (args.pretrain, architecture, data, args.preset))) or "default"
    if not job(args.device).first:  # of several ranks, the first one has the folder
        yield Path("runs") / name
        return
    folder = _made(name)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # it holds the run
            folder.rmdir()


def _made(name: str) -> Path:
    for number in itertools.count(1):
        folder = Path("runs") / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)  # fails where another run has made it, be it this very moment
            return folder
    raise AssertionError("unreachable: the numbers do not end")
