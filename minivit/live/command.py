"""What `python -m minivit live` can be told, and what it does: serve the page, or write it into a file."""

import argparse
from pathlib import Path

from ..data import TRAINED_DIGITS
from ..family import load

PORT = 8787


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        default=str(TRAINED_DIGITS),
        help="a model.npz or a checkpoint.npz of digits; if not given, the one that ships with minivit",
    )
    parser.add_argument("--port", type=_port, help=f"on this machine alone; {PORT} if not given, 0: any that is free")
    parser.add_argument(
        "--export", metavar="PAGE.HTML", help="write a page that needs no Python, with a plain ViT inside, here"
    )


def live(args: argparse.Namespace) -> int:
    """Open a page to draw a digit on, and watch a model look at it, answer and learn."""
    if args.export and args.port is not None:
        raise ValueError("--port is of the page that is served, and --export writes one: leave one of them out")
    if args.export == "-":
        raise ValueError("--export is -, expected a file's name, such as page.html: a terminal cannot show it")
    if args.export and not args.export.lower().endswith((".html", ".htm")):
        raise ValueError(f"--export is {args.export}, expected a name that ends in .html: it is a page")
    from .export import export_page  # with these come Matplotlib and all models: no other command needs them
    from .server import serve

    model = load(args.model)
    if args.export:
        size = export_page(model, args.export)
        print(f"wrote {args.export}: {size / 1000:,.0f} kB, the page with {model!r} inside; it opens in any browser")
        return 0
    serve(model, PORT if args.port is None else args.port, f"{Path(args.model).name}, {model!r}")
    return 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and int(text) < 65536):
        raise argparse.ArgumentTypeError(f"it is {text[:20]!r}, expected a port, 0 … 65535")
    return int(text)
