"""Files that are either whole or absent: an atomic write, and .npz archives that are checked when read.

Model files, checkpoints and downloads all go through here. No pickle is written or read: a file from a stranger
must not be able to run code. Nor may a small one fill the memory.
"""

import os
import secrets
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Missing parent folders are created. A reader sees the old file or the new one, never half of one.
    Raises OSError, naming `path`, where the folder cannot be written.
    """
    path = Path(path)
    # In the same folder, because a rename is atomic only within one file system.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    except OSError as error:
        is_file = isinstance(error, FileExistsError | NotADirectoryError)
        cure = "A file stands where a folder is needed: choose" if is_file else "Make the folder writable, or choose"
        raise OSError(
            f"cannot write {path}: {error.strerror} ({error.filename}). {cure} a path in another one."
        ) from error
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut after the rename could leave an empty file under the good name
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray], *, compressed: bool = False) -> None:
    """Write named arrays to `path` as an .npz archive, atomically. The same arrays give the same bytes.

    Raises ValueError for an array of Python objects, which only a pickle could hold.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise ValueError(f"cannot write {path}: array {name!r} holds Python objects, expected numbers or text")
    save = np.savez_compressed if compressed else np.savez
    with atomic_write(path) as file:
        save(file, **arrays)


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Read every array of an .npz archive.

    Raises FileNotFoundError where there is no such file, and ValueError, naming `path`, where it is truncated,
    damaged, something else than an .npz archive, holds pickled objects, or would unpack to far more than its size.
    """
    with open(path, "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no zip archive, or its end is missing")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                unpacked = sum(member.file_size for member in archive.zip.infolist())
                if unpacked > 100 * os.fstat(file.fileno()).st_size + 2**20:
                    raise ValueError(f"it would unpack to {unpacked:,} bytes, more than 100 times its size")
                arrays = {name: archive[name] for name in archive.files}
            # Of a member that is no .npy file, NumPy hands back the bytes.
            strangers = [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]
            if strangers:
                raise ValueError(f"it holds something else than arrays, {strangers}")
        except Exception as error:  # a damaged archive fails in a dozen ways, and all of them mean this
            raise ValueError(f"{path} is not a complete .npz file: {error}") from error
    return arrays
