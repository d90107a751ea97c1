"""Pictures of your own as a data set: a folder with a subfolder for each class, whose name is the class's.

    flowers/daisy/1.jpg     flowers/daisy/2.jpg …     flowers/rose/1.png …

or, where the split is given, flowers/train/daisy/… and flowers/test/daisy/… (val, valid and validation are test, too).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from .mnist import Dataset
from .preprocess import resized

TEST = ("test", "val", "valid", "validation")
PASSED_OVER = ("thumbs.db", "desktop.ini", "__macosx")  # what systems leave behind; and what begins with a dot
MOST_BYTES = 2**31  # of all pictures, resized
SHOWN = 5


@dataclass(frozen=True, eq=False)
class Pictures(Dataset):
    """As a Dataset, of any size and of 1 or 3 channels: images (n, size, size, C) uint8; label k is class_names[k]."""

    class_names: tuple[str, ...]
    source: dict  # what `load_folder` was given, to load the same again

    @property
    def name(self) -> str:
        """The folder's."""
        return Path(self.source["folder"]).name


def load_folder(
    folder: str | os.PathLike,
    size: int = 28,
    channels: int | None = None,
    test: float = 0.2,
    seed: int = 0,
) -> Pictures:
    """Read the pictures of a folder, resized so that their shorter side fits, the middle of size x size cut out.

    channels: 1 for grey, 3 for colour; None: 1 where no picture has colour. test: the part of each class that is kept
    apart (at least one picture), drawn by the seed, unless the folder has train and test. Classes are in the order of
    their names, numbers by their value; the test pictures are mixed.
    Raises FileNotFoundError, NotADirectoryError, and ValueError that names what is wrong: fewer than two classes, one
    that is empty or has a single picture, files that are no pictures.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(
            f"{folder} does not exist: expected a folder with a subfolder of pictures for each class"
        )
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file: expected a folder with a subfolder of pictures for each class")
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels!r}, expected 1 (grey), 3 (colour) or None")
    if not 0 < test < 1:
        raise ValueError(f"test is {test!r}, expected a part of the pictures, between 0 and 1")
    if not 4 <= size <= 1024:
        raise ValueError(f"size is {size!r}, expected 4 … 1024 pixels")
    given = _given_split(folder)
    files = {name: _classes(place) for name, place in given.items()}
    names = tuple(files["train"])
    if "test" in files and tuple(files["test"]) != names:
        odd = sorted(set(files["test"]) ^ set(names))
        raise ValueError(
            f"{folder}: {given['train'].name} and {given['test'].name} differ in the classes {', '.join(odd)}"
        )
    train = [path for paths in files["train"].values() for path in paths]
    labels = np.repeat(np.arange(len(names)), [len(paths) for paths in files["train"].values()])
    if "test" in files:
        apart = [path for paths in files["test"].values() for path in paths]
        apart_labels = np.repeat(np.arange(len(names)), [len(paths) for paths in files["test"].values()])
    else:
        kept = _drawn(labels, test, seed, names, folder)
        apart, apart_labels = [train[i] for i in np.flatnonzero(kept)], labels[kept]
        train, labels = [train[i] for i in np.flatnonzero(~kept)], labels[~kept]
    mixed = np.random.default_rng((seed, len(apart))).permutation(len(apart))  # the first are of all classes
    apart, apart_labels = [apart[i] for i in mixed], apart_labels[mixed]
    pictures, of_test = _read([*train, *apart], size, channels, folder), len(train)
    source = {"folder": str(folder.resolve()), "size": size, "channels": pictures.shape[-1], "test": test, "seed": seed}
    return Pictures(pictures[:of_test], labels, pictures[of_test:], apart_labels, names, source)


def _given_split(folder: Path) -> dict[str, Path]:
    places = {place.name.lower(): place for place in _inside(folder) if place.is_dir()}
    held = [name for name in places if name in TEST]
    if "train" in places and len(places) == 2 and len(held) == 1:
        return {"train": places["train"], "test": places[held[0]]}
    return {"train": folder}


def _inside(folder: Path) -> list[Path]:
    """What is in a folder and is not the system's own, numbers by their value."""
    found = [path for path in folder.iterdir() if path.name[0] != "." and path.name.lower() not in PASSED_OVER]
    return sorted(found, key=lambda path: [(0, int(word), "") if word.isdecimal() else (1, 0, word)
                                           for word in re.split(r"(\d+)", path.name)])  # fmt: skip


def _classes(folder: Path) -> dict[str, list[Path]]:
    """The files of each class."""
    inside = _inside(folder)
    classes = {place.name: _inside(place) for place in inside if place.is_dir()}
    loose = [path.name for path in inside if not path.is_dir()]
    if len(classes) < 2:
        has = f"has one class, {next(iter(classes))}" if classes else "has no subfolders"
        raise ValueError(f"{folder} {has}: expected at least two, a subfolder of pictures for each class")
    if loose:
        raise ValueError(
            f"{folder} holds {_some(loose)} beside its classes: put each picture into its class's subfolder"
        )
    for name, paths in classes.items():
        if not paths:
            raise ValueError(f"the class {name} in {folder} is empty: put pictures into it, or remove it")
        if folders := [path.name for path in paths if path.is_dir()]:
            raise ValueError(f"the class {name} in {folder} holds folders, {_some(folders)}: expected pictures alone")
    return classes


def _drawn(labels: np.ndarray, part: float, seed: int, names: Sequence[str], folder: Path) -> np.ndarray:
    """Which pictures are kept apart, as a mask: of each class its part, at least one, and never all."""
    kept, rng = np.zeros(len(labels), bool), np.random.default_rng(seed)
    for k, name in enumerate(names):
        (places,) = np.nonzero(labels == k)
        if len(places) < 2:
            raise ValueError(
                f"the class {name} in {folder} has one picture: expected two, to learn from and to test on"
            )
        count = min(max(1, round(part * len(places))), len(places) - 1)
        kept[rng.permutation(places)[:count]] = True
    return kept


def _read(paths: list[Path], size: int, channels: int | None, folder: Path) -> np.ndarray:
    """(n, size, size, C) uint8. Raises ValueError that names what is no picture."""
    from .opening import open_picture  # Pillow, which those who train on digits can do without

    most = MOST_BYTES // (len(paths) * (channels or 3))
    if size * size > most:
        raise ValueError(f"{len(paths):,} pictures of {size} x {size} take too much memory: give a smaller size")
    seen = SimpleNamespace(image_shape=(size, size, channels or 3), crop=1.0, squeeze=False, resize_filter="bicubic")
    junk, pictures = [], []
    for path in paths:
        try:
            pictures.append(resized(open_picture(path), seen))
        except ValueError as error:
            junk.append((path, error))
    if junk:
        first = str(junk[0][1])
        named = _some([str(path.relative_to(folder)) for path, _ in sorted(junk, key=lambda one: one[0])])
        one = len(junk) == 1
        those = "a file that is no picture" if one else f"{len(junk)} files that are no pictures"
        raise ValueError(f"{folder} holds {those}, {named}: move {'it' if one else 'them'} away. {first}")
    stacked = np.stack(pictures)
    colourless = channels is None and bool((stacked == stacked[..., :1]).all())  # whatever they were stored as
    return stacked[..., :1] if colourless else stacked


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
