"""The command line: python -m minivit train | eval | predict | detect | look | live | data | check | kernel | kernels.

Each command is a function: the first seven are below, the others in live/command.py, emulator/command.py and
devices/command.py. What can be said to train is in train/command.py.
"""

import argparse
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import __version__, terminal
from .data import TRAINED_DIGITS
from .data.mnist_files import SOURCES
from .devices import DEVICES, DeviceError
from .devices import command as kernels_command
from .emulator import EmulatorError
from .emulator import command as kernel_command
from .files import ordinary
from .live import command as live_command
from .train import command as train_command
from .train import detect_command

if TYPE_CHECKING:
    import numpy as np

    from .model import Classifier, ViT


EXAMPLES = {
    "": """  python -m minivit train quick          a small ViT learns to read digits, in half a minute
  python -m minivit COMMAND --help       what a command can be told""",
    "train": """  python -m minivit train quick
  python -m minivit train --data full --download --out runs/mnist
  python -m minivit train --architecture swin --epochs 5
  python -m minivit train --resume runs/mnist/checkpoint.npz""",
    "eval": """  python -m minivit eval --model runs/quick/model.npz
  python -m minivit eval --model runs/mnist/model.npz --data full""",
    "predict": """  python -m minivit predict digit.png --model runs/quick/model.npz --out attention.png
  python -m minivit predict cat.jpg --model deit_tiny_patch16_224.fb_in1k.safetensors --top 3""",
    "detect": """  python -m minivit detect photo.png --model runs/detr/model.npz --out boxes.png""",
    "look": """  python -m minivit look digit.png --model runs/quick/model.npz --out page.svg""",
    "live": """  python -m minivit live
  python -m minivit live --model runs/quick/model.npz
  python -m minivit live --export page.html""",
    "data": """  python -m minivit data
  python -m minivit data --download
  python -m minivit data --download --data fashion""",
    "check": """  python -m minivit check
  python -m minivit check softmax Swin""",
    "kernel": """  python -m minivit kernel kernels/layernorm.cu --check
  python -m minivit kernel examples/scale.cu --check
  python -m minivit kernel add.cu 'add<float><<<4, 256>>>(y[1000], x[1000], 1000)' --profile""",
    "kernels": """  python -m minivit kernels layernorm --sm 80 90""",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Returns the exit status: 0 well, 1 a check failed, 2 a user's mistake, 130 interrupted, 141 cut
    off by a closed pipe."""
    parser = _parser()
    args, rest = parser.parse_known_args(arguments)
    if rest:
        parser.refuse(rest)
    mistakes = ValueError, TypeError, OverflowError, FloatingPointError, ImportError, DeviceError, EmulatorError
    return terminal.run(lambda: args.command(args), mistakes)


def train(args: argparse.Namespace) -> int:
    """Train a small model, a ViT unless told otherwise, on handwritten digits, from those that ship with minivit, or on
    a folder of your own pictures."""
    args.data, args.preset = train_command.data_and_preset(args)
    if args.out or args.resume:
        return train_command.run(args, args.out or Path(args.resume).parent, _load)
    with train_command.new_folder(args) as folder:
        return train_command.run(args, folder, _load)


def evaluate(args: argparse.Namespace) -> int:
    """Measure a trained model on the test images; a detector on canvases of the digits that ship."""
    from .data import load_canvas, load_mnist
    from .train import evaluate
    from .train.detection import evaluate_detector, is_detector
    from .train.detector import TEST

    model = _load(args.model, args.device)
    if is_detector(model):
        found = evaluate_detector(model, *load_canvas("test", TEST), args.workers)
        print(f"AP50 {found.ap50:.3f}, AP75 {found.ap75:.3f}, AP {found.ap:.3f} on {TEST} test canvases")
        return 0
    if model.class_names:
        raise ValueError(
            f"{args.model} knows {', '.join(model.class_names)}: eval asks for digits alone. How well it knows your "
            "pictures stands in its folder's history.json"
        )
    digits = load_mnist(args.data)
    loss, accuracy, _ = evaluate(model, digits.test_images, digits.test_labels, args.workers)
    print(f"accuracy {accuracy:.2%}, loss {loss:.4f} on {len(digits.test_labels):,} test images of {args.data!r}")
    return 0


def predict(args: argparse.Namespace) -> int:
    """Say what is in a picture: a digit, or one of ImageNet's 1,000 classes, as the model has learned it."""
    from .data import top_classes
    from .data.characters import as_characters

    if args.out:  # before any work is done
        from .inspect.canvas import figure_format

        figure_format(args.out, args.picture)
    model, image = _read(args)
    if not model.config.classes:
        raise ValueError(f"{args.model} has no classes to predict; `minivit look` shows what it sees")
    (probabilities,) = model.predict(image)
    names = _names(model)
    best = top_classes(probabilities, args.top or (5 if len(probabilities) > 10 else 10), names)
    if args.seen:
        print(as_characters(image[0]))
    width = max(len(name) for _, name, _ in best)
    print(f"{args.picture}: {best[0][1]}")
    for _, name, probability in best:
        print(f"  {name:<{width}}  {probability:7.2%}  {'#' * round(40 * probability)}".rstrip())
    if args.out:
        from .inspect import plot_attention, plot_pixel_relevance, save_figure
        from .model import ViT

        if isinstance(model, ViT):
            figure, what = plot_attention(model, image, probabilities.argmax()[None], names), "the attention"
        else:
            figure, what = plot_pixel_relevance(model, image, names), "the pixels that count"
        save_figure(figure, args.out)
        print(f"wrote {args.out}: the picture as the model saw it, with {what} over it")
    return 0


def detect(args: argparse.Namespace) -> int:
    """Say what is where in a picture, and draw it: digits, or what the model has learned to find."""
    from .inspect.canvas import figure_format

    figure_format(args.out, args.picture)  # before any work is done
    return detect_command.detect(args, _load(args.model, args.device))


def look(args: argparse.Namespace) -> int:
    """Draw a page on how a model sees a picture: relevance, attention, rollout, tokens and positions."""
    from .inspect import plot_page, save_figure
    from .inspect.canvas import figure_format

    figure_format(args.out, args.picture)  # before any work is done
    model, image = _read(args)
    title = f"{Path(args.picture).name}, seen by {Path(args.model).name}: {model!r}"
    save_figure(plot_page(model, image, _names(model), title), args.out)
    print(f"wrote {args.out}")
    return 0


def data(args: argparse.Namespace) -> int:
    """Say which data sets are there, and where; download the full MNIST where asked to."""
    from .data import find_mnist

    for name in ("digits", "full", "fashion"):
        try:
            paths = find_mnist(name, download=args.download and name == args.data)
        except (FileNotFoundError, ValueError) as error:
            print(f"{name}: {error}")
        else:
            print(f"{name}: complete, checksums as published")
            print("\n".join(f"  {path.stat().st_size:>12,} bytes  {path}" for path in paths))
    return 0


def check(args: argparse.Namespace) -> int:
    """Check every gradient: operations', joints', and those of whole small models, against central differences."""
    from .proof.command import check_all

    return check_all(args.text)


def _read(args: argparse.Namespace) -> "tuple[ViT, np.ndarray]":
    """The model, minivit's own or a published one, and the picture as it wants it: (1, height, width, C) uint8.

    A model that sees grey squares, and whose classes have no names of their own, is one of digits, which are looked for
    on their paper and centred as MNIST's are.
    """
    from .data import read_digit
    from .data.preprocess import resized
    from .train.detection import is_detector

    model = _load(args.model, args.device, args.heads, args.image_size)
    if is_detector(model):
        raise ValueError(f"{args.model} is a detector, a {type(model).__name__}: use `minivit detect`")
    height, width, C = model.config.image_shape
    if C == 1 and height == width and not model.class_names:
        return model, read_digit(args.picture, height)
    return model, resized(args.picture, model.config)[None]


def _names(model: "Classifier") -> tuple[str, ...]:
    """Of the classes: their own, or their numbers."""
    return model.class_names or tuple(map(str, range(model.config.classes)))


def _load(path: str, device: str, heads: int | None = None, image_size: list[int] | None = None) -> "ViT":
    """Any model: minivit's own file, or a published one's; the last two are for these alone."""
    from . import load, load_pretrained
    from .model.files import CONFIG

    if zipfile.is_zipfile(ordinary(path)):
        with zipfile.ZipFile(path) as archive:
            if f"{CONFIG}.npy" in archive.namelist():
                if heads is not None or image_size is not None:
                    raise ValueError("--heads and --image-size are for published models: minivit's own have theirs")
                return load(path, device)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model = load_pretrained(
            path, heads, device=device, **({} if image_size is None else {"image_size": image_size})
        )
    for one in said:
        print(f"minivit: warning: {one.message}", file=sys.stderr)
    return model


def _parser() -> terminal.Parser:
    description = "A Vision Transformer in NumPy, every gradient proved."
    parser = terminal.Parser(prog="minivit", description=description, examples=EXAMPLES[""])
    parser.add_argument("--version", action="version", version=f"minivit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=command.__doc__, description=command.__doc__, examples=EXAMPLES[name])
        sub.set_defaults(command=command)
        return sub

    def add_device(sub: argparse.ArgumentParser) -> None:
        sub.add_argument(
            "--device", choices=DEVICES, default="cpu", help="cuda: a GPU; emulator: the GPU's kernels run on the CPU"
        )

    def add_picture(sub: argparse.ArgumentParser) -> None:
        sub.add_argument("picture", help="any picture; of a digit: one, on even paper, dark on light or the reverse")
        sub.add_argument(
            "--model",
            default=str(TRAINED_DIGITS),
            help="a model.npz, a checkpoint.npz, or a published model's file or folder; if not given, the one for "
            "digits that ships with minivit",
        )
        sub.add_argument(
            "--image-size",
            nargs="+",
            type=train_command.at_least(1),
            metavar="PIXELS",
            help="resize a published model to this side, or height and width: larger shows more",
        )
        sub.add_argument("--heads", type=train_command.at_least(1), help="of a published model whose file has none")
        add_device(sub)

    sub = add("train", train)
    train_command.add_arguments(sub)
    add_device(sub)

    sub = add("eval", evaluate)
    sub.add_argument("--model", required=True, help="a model.npz, or a checkpoint.npz")
    sub.add_argument("--data", choices=tuple(SOURCES), default="digits", help="the digits that ship, or a full set")
    add_device(sub)
    sub.add_argument("--workers", type=train_command.at_least(1), help="threads, one a core if not given")

    sub = add("predict", predict)
    add_picture(sub)
    sub.add_argument("--top", type=train_command.at_least(1), metavar="N", help="name the N likeliest classes")
    sub.add_argument("--seen", action="store_true", help="print what the model saw of the picture, as characters")
    sub.add_argument("--out", help="write the picture as the model saw it, with the attention over it, here")

    sub = add("detect", detect)
    detect_command.add_arguments(sub)
    add_device(sub)

    sub = add("look", look)
    add_picture(sub)
    sub.add_argument("--out", default="look.png", help="the page, .png, .svg or .pdf; look.png if not given")

    sub = add("data", data)
    sub.add_argument("--download", action="store_true", help="fetch what is missing from the public mirrors")
    sub.add_argument("--data", choices=("full", "fashion"), default="full", help="what --download fetches")

    live_command.add_arguments(add("live", live_command.live))
    add("check", check).add_argument("text", nargs="*", help="only what has one of these in its name; else all")
    kernel_command.add_arguments(add("kernel", kernel_command.kernel))
    kernels_command.add_arguments(add("kernels", kernels_command.kernels))
    return parser


if __name__ == "__main__":
    sys.exit(main())
