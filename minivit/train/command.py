"""What `python -m minivit train` can be told, the folder of a run, and the run."""

import argparse
import contextlib
import itertools
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..data import Pictures, load_folder
from ..data.mnist_files import SOURCES
from ..data.preprocess import sees_digits
from ..messages import near, short
from ..terminal import at_least
from .config import DISTILLATIONS
from .detector import DETECTORS, is_run_of_detector, train_detector
from .mnist import train_mnist
from .pretraining import pretrain_mae
from .ranks import job
from .recipes import ARCHITECTURES, PRESETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "preset",
        nargs="?",
        metavar="RECIPE or FOLDER",
        help=f"a vit's recipe for digits ({', '.join(PRESETS)}); or a folder of your own pictures, a subfolder a class "
        "(one that is called like a recipe is given as ./full)",
    )
    parser.add_argument(
        "--size", type=at_least(4), metavar="PIXELS", help="of your own pictures, a side; 28 if not given"
    )
    parser.add_argument(
        "--channels", type=int, choices=(1, 3), help="of your own pictures: grey or colour; what they have if not given"
    )
    parser.add_argument(
        "--architecture",
        choices=(*ARCHITECTURES, *DETECTORS),
        help=f"the model, a vit if not given; {', '.join(DETECTORS)} find digits on canvases",
    )
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


def data_and_preset(args: argparse.Namespace) -> tuple[str | Pictures | None, str | None]:
    """What to learn from and the recipe's name: the first word is one of these, or a folder of pictures. Raises
    ValueError where it is neither."""
    word = args.preset
    if word is None or word in PRESETS:
        if args.size or args.channels:
            raise ValueError("--size and --channels are for pictures of your own: give their folder, too")
        return args.data, word
    if not Path(word).exists():
        options = {name: f"--architecture {name}" for name in (*ARCHITECTURES, *DETECTORS)} | {"mae": "--pretrain mae"}
        meant = near(word, (*PRESETS, *options))
        mean = f"; did you mean {options.get(meant, repr(meant))}?" if meant else ""
        raise ValueError(f"{short(word)} is neither a recipe ({', '.join(PRESETS)}) nor a folder of pictures{mean}")
    if given := [name for name in ("data", "pretrain", "resume") if getattr(args, name)]:
        raise ValueError(f"{word} is a folder of pictures, and --{given[0]} is without one: leave one of them out")
    return load_folder(word, args.size or 28, args.channels, seed=args.seed or 0), None


@contextmanager
def new_folder(args: argparse.Namespace) -> Iterator[Path]:
    """runs/NAME, or runs/NAME-2 and so on, made now, and so nobody else's; gone again where nothing came into it."""
    architecture = None if args.architecture == "vit" else args.architecture
    data = None if args.data == "digits" else getattr(args.data, "name", args.data)
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


def _said(args: argparse.Namespace, names: list[str]) -> str:
    """What was given, as it stands on the command line."""
    words = {"preset": f"the recipe {args.preset}"}
    if isinstance(args.data, Pictures):
        words["data"] = "the folder"
    return ", ".join(words.get(name, f"--{name}") for name in names)


def _check_resumed(args: argparse.Namespace, detector: bool) -> None:
    """What a checkpoint has of its own is not given again. (The functions refuse it, too, in Python's names.)"""
    own = ("seed", "epochs") if detector else ("preset", "architecture", "data", "seed", "epochs", "distillation")
    if args.resume and (given := [name for name in own if getattr(args, name) is not None]):
        raise ValueError(f"{args.resume} is resumed as it was begun: leave out {_said(args, given)}")


def run(args: argparse.Namespace, out: str | Path, load_model: Callable[[str, str], Any]) -> int:
    """Train what was asked for, and say how well it does. load_model: (path, device) -> a teacher. Returns 0."""
    draw = ""
    names = "data", "seed", "epochs", "workers", "parallel", "resume", "download", "device"
    options = {name: getattr(args, name) for name in names} | {"out": out}
    detector = args.architecture in DETECTORS or bool(args.resume and is_run_of_detector(args.resume))
    _check_resumed(args, detector)
    if detector:
        others = "preset", "pretrain", "teacher", "distillation", "data", "download"
        if given := [name for name in others if getattr(args, name)]:
            raise ValueError(f"a detector learns from canvases of the digits that ship: leave out {_said(args, given)}")
        options = {name: option for name, option in options.items() if name not in others}
        result = train_detector(args.architecture, **options)
        told = f"AP50 on canvases with digits that it has not seen: {result.precision.ap50:.3f}"
    elif args.pretrain:
        others = "preset", "architecture", "teacher", "distillation"
        if given := [name for name in others if getattr(args, name)]:
            raise ValueError(f"pre-training has a recipe of its own, without labels: leave out {_said(args, given)}")
        result = pretrain_mae(**options)
        told = f"mean squared error of hidden patches, in images it has not seen: {result.loss:.4f}"
    else:
        if args.preset and args.architecture not in (None, "vit"):
            raise ValueError(f"{args.preset} is a recipe of the ViT: leave out {args.preset}, or --architecture")
        teacher = load_model(args.teacher, args.device) if args.teacher else None
        own = {"architecture": args.architecture, "teacher": teacher, "distillation": args.distillation}
        result = train_mnist(args.preset, **options, **own)
        told = f"accuracy on images it has not seen: {result.accuracy:.2%}"
        if sees_digits(result.model.config):
            draw = "draw, and watch it think: python -m minivit live --model {}"
    if result.files:  # of several ranks, the first one has written
        print(told)
        print("\n".join(f"wrote {path}" for path in result.files))
        if draw:
            print(draw.format(shlex.quote(str(result.files[0]))))
    return 0
