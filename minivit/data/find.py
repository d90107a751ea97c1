"""Find the files of MNIST in the user's folders, or download them when asked to.

What the files are is in mnist_files.py; what is inside them is read in mnist.py.
"""

import gzip
import hashlib
import os
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

from ..files import atomic_write, ordinary, user_cache
from ..messages import choices
from .mnist_files import SOURCES, File

MEND = {  # what to do where the files are not found
    "digits": "Reinstall minivit: this file ships with it.",
    "full": "Set the environment variable MINIVIT_DATA to the folder that holds them, or download them with "
    '`python -m minivit data --download`, in Python load_mnist("full", download=True).',
    "fashion": "Set the environment variable MINIVIT_DATA to a folder with a subfolder fashion-mnist that holds them, "
    "or download them with `python -m minivit data --download --data fashion`, in Python "
    'load_mnist("fashion", download=True).',
}
NO_HOME = (
    "there is no folder to download to: the user has no home ($HOME is not set, and the system knows no other). Let "
    "the environment variable XDG_CACHE_HOME name a folder for caches."
)
TIMEOUT = 30  # seconds without a byte
LARGEST = 1 << 26  # bytes of an unpacked file: MNIST's largest has 47 million


def find_mnist(data: str = "full", *, download: bool = False, report: Callable[[str], None] = print) -> list[Path]:
    """The verified files of "digits", "full" or "fashion", from the first folder that has them all.

    The folders: that of the environment variable MINIVIT_DATA (for "fashion" its subfolder fashion-mnist), then the
    user's cache. They may be unpacked, and have dotted names (train-images.idx3-ubyte). Only with `download=True` are
    missing files fetched, into the cache, a line to `report` for each.
    Raises FileNotFoundError that says how to get the files, ValueError for a file that is not the published one,
    OSError where no mirror could serve it.
    """
    if data not in SOURCES:
        raise ValueError(f"data is {data!r}, {choices(data, SOURCES)}")
    looked = []
    for place, folder in search_folders(data).items():
        for source in SOURCES[data]:
            there = [_lying_in(folder, file) for file in source.files]
            if all(there):
                return [_verified(path, file, data) for path, file in zip(there, source.files, strict=True)]
            missing = [file.name for file, path in zip(source.files, there, strict=True) if not path]
            looked.append(f"  {place}, {folder}: no {', '.join(missing)}")
    if download and data != "digits":
        if "the cache" not in search_folders(data):
            raise OSError(NO_HOME)
        _download(data, search_folders(data)["the cache"], report)
        return find_mnist(data)
    raise FileNotFoundError("\n".join([f"the files of MNIST {data!r} were not found:", *looked, MEND[data]]))


def search_folders(data: str) -> dict[str, Path]:
    """The folders that may hold the files, in the order in which they are searched, each under what to call it."""
    if data == "digits":
        return {"the package": Path(__file__).parent}
    folders = {}
    if own := os.environ.get("MINIVIT_DATA"):
        folders["MINIVIT_DATA"] = Path(os.path.expanduser(own)) / ("fashion-mnist" if data == "fashion" else "")
    if caches := user_cache():
        folders["the cache"] = caches / ("fashion-mnist" if data == "fashion" else "mnist")
    return folders


def _lying_in(folder: Path, file: File) -> Path | None:
    return next((folder / name for name in file.names if (folder / name).is_file()), None)


def _verified(path: Path, file: File, data: str) -> Path:
    with open(ordinary(path), "rb") as opened:
        content = opened.read(file.size + 1)
    try:
        _verify(content, file)
    except ValueError as error:
        _verify_unpacked(path, file, data, error)
    return path


def _verify_unpacked(path: Path, file: File, data: str, error: ValueError) -> None:
    """Raise ValueError unless what the file holds, be it packed again or not at all, is what the published one holds.

    It may be anybody's: KMNIST, EMNIST and Fashion-MNIST have MNIST's names, so nobody is told to delete it.
    """
    cures = (
        f"\nTo train on another set, read it with minivit.data.read_idx, and give it to a minivit.Trainer. {MEND[data]}"
    )
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as opened:
            content = opened.read(LARGEST)
    except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
        raise ValueError(f"{path} is not the published file: {error}, and {broken}.\n{MEND[data]}") from broken
    if file.unpacked is None and file.name.endswith(".gz") and path.suffix != ".gz":
        raise ValueError(
            f"{path} is unpacked, and only {file.name}, as it was published, can be told from another set's.{cures}"
        ) from error
    if hashlib.sha256(content).hexdigest() != file.unpacked:
        raise ValueError(
            f"{path} is not the published file of MNIST {data!r}: {error}. It is another data set under the same name, "
            f"or packed anew, or not whole.{cures}"
        ) from error


def _verify(content: bytes, file: File) -> None:
    """Raise ValueError unless `content`, read up to one byte beyond the expected size, is the published file."""
    if len(content) != file.size:
        found = f"more than {file.size}" if len(content) > file.size else len(content)
        raise ValueError(f"found {found} bytes, expected {file.size}")
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise ValueError(f"found SHA-256 {found}, expected {file.sha256}")


def _download(data: str, folder: Path, report: Callable[[str], None]) -> None:
    failures: list[str] = []
    for source in SOURCES[data]:
        missing = [file for file in source.files if not (folder / file.name).is_file()]
        if all(_fetch(file, source.mirrors, folder, report, failures) for file in missing):
            return
    raise OSError("\n  ".join([f"no mirror served the files of MNIST {data!r}:", *failures]))


def _fetch(file: File, mirrors: tuple[str, ...], folder: Path, report: Callable, failures: list[str]) -> bool:
    """Save the file from the first mirror that serves it as published; False, and the reasons, if none does."""
    for mirror in mirrors:
        url = mirror + file.name
        report(f"downloading {url} ({file.size / 1e6:.1f} MB)")
        try:
            with urlopen(url, timeout=TIMEOUT) as response:
                content = response.read(file.size + 1)
            _verify(content, file)
        except (OSError, HTTPException, ValueError) as error:
            failures.append(f"{url}: {error}")
            report(f"  failed: {error}")
            continue
        with atomic_write(folder / file.name) as output:
            output.write(content)
        return True
    return False
