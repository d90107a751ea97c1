"""Files that are either whole or absent: an atomic write, and .npz archives that are checked when read.

Model files, checkpoints and downloads all go through here. No pickle is written or read: a file from a stranger
must not be able to run code. Nor may a small one fill the memory.
"""

import contextlib
import errno
import os
import secrets
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from glob import escape as glob_escape
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .messages import in_words

try:
    import fcntl
except ImportError:  # Windows, where nobody can remove a file that another has open
    fcntl = None


def user_cache() -> Path | None:
    """minivit's folder among the user's caches; None where the user has no home ($HOME unset, no entry in passwd)."""
    own = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    try:
        caches = Path(own).expanduser() if own else Path.home().joinpath(*CACHES)
    except RuntimeError:  # pathlib's word for it
        return None
    return caches / "minivit"


CACHES = ("AppData", "Local") if os.name == "nt" else (".cache",)


def ordinary(path: str | os.PathLike) -> Path:
    """The path, where it is that of a file or a folder, or of nothing. Raises ValueError for a pipe, a device or a
    socket: to open one may wait, or fill the memory, for ever."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # who opens it will say what is wrong
        return Path(path)
    kinds = {"a pipe": stat.S_ISFIFO, "a device": stat.S_ISCHR, "a disk": stat.S_ISBLK, "a socket": stat.S_ISSOCK}
    if kind := next((name for name, fits in kinds.items() if fits(mode)), None):
        raise ValueError(f"{path} is {kind}, expected a file: save what comes out of it to one, and give that")
    return Path(path)


def keep_standard_files() -> None:
    """Open what was closed of standard input, output and errors, as nothing: else the next file that is opened takes
    its number, and whatever is written there, or inherited by another process, goes into that file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one


@contextmanager
def claimed(folder: str | os.PathLike) -> Iterator[Path]:
    """Within, the folder, which is made if need be, is this run's alone. Raises BlockingIOError while it is another's.

    The system lets go of it when the process ends, however it ends. Windows has no such lock.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    with contextlib.ExitStack() as opened:
        if fcntl:
            handle = os.open(folder, os.O_RDONLY)
            opened.callback(os.close, handle)
            if not _locked(handle):
                raise BlockingIOError(f"{folder} is another run's, which is at work now: choose another folder")
        yield folder


@contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Yield a binary file that becomes `path` when the block ends well, and vanishes when it does not.

    Missing parent folders are created, and what a killed process has left of its own attempt is removed. A reader sees
    the old file or the new one, never half of one.
    Raises OSError, naming `path`, where the folder cannot be written or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        # In the same folder, because a rename is atomic only within one file system.
        temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
        file = temporary.open("xb")
    except OSError as error:
        raise _cannot_write(path, error) from error
    try:
        with file:
            _locked(file.fileno())  # who comes by sees that it is in use
            yield file
            file.flush()
            os.fsync(file.fileno())  # else a power cut after the rename could leave an empty file under the good name
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            file.close()
        temporary.unlink(missing_ok=True)
        if full := _full(error):
            raise _cannot_write(path, full) from error
        raise


def remove_leftovers(path: Path) -> None:
    """What killed processes have left that were writing to `path`. A file that somebody still writes to is locked."""
    for left in path.parent.glob(f"{glob_escape(path.name)}.{8 * '[0-9a-f]'}.tmp"):
        with contextlib.suppress(OSError), open(left, "rb") as file:
            told = os.fstat(file.fileno())
            # An empty one may be so new that its lock is still to come.
            if _locked(file.fileno()) and (told.st_size or time.time() - told.st_mtime > 60):
                left.unlink()


def _locked(handle: int) -> bool:
    """Lock an open file or folder for this process. False where another process has locked it."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _full(error: BaseException | None) -> OSError | None:
    """The system's error that no room is left, be it this one or what was raised before it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return error
        error = error.__context__
    return None


def _cannot_write(path: Path, error: OSError) -> OSError:
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        said = f"{error.filename} is a file where a folder is needed: choose a path in another folder"
    elif error.errno in (errno.EACCES, errno.EPERM):
        said = f"{error.filename} may not be written. Make the folder writable, or choose a path in another folder"
    else:
        said = in_words(OSError(error.errno, error.strerror, "it"))
    return OSError(f"cannot write {path}: {said}")


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
    """Read every array of an .npz archive. Raises as `open_npz`, and where it holds pickled objects."""
    with open_npz(path) as archive:
        return {name.removesuffix(".npy"): read_member(archive, name) for name in archive.namelist()}


@contextmanager
def open_npz(path: str | os.PathLike) -> Iterator[zipfile.ZipFile]:
    """An .npz archive, to read from; whatever is found wrong with it meanwhile is a ValueError that names `path`.

    Raises FileNotFoundError where there is no such file, and ValueError where it is truncated, damaged, something else
    than an .npz archive, or would unpack to far more than its size.
    """
    with open(ordinary(path), "rb") as file:
        try:
            if not zipfile.is_zipfile(file):
                raise ValueError("it is no zip archive, or its end is missing")
            with zipfile.ZipFile(file) as archive:
                unpacked = sum(member.file_size for member in archive.infolist())
                if unpacked > 100 * os.fstat(file.fileno()).st_size + 2**20:
                    raise ValueError(f"it would unpack to {unpacked:,} bytes, more than 100 times its size")
                if strangers := [name for name in archive.namelist() if not name.endswith(".npy")]:
                    raise ValueError(f"it holds something else than arrays, {', '.join(strangers[:5])}")
                yield archive
        except Exception as error:  # a damaged archive fails in a dozen ways, and all of them mean this
            raise ValueError(f"{path} is not a complete .npz file: {error}") from error


def read_member(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array of an .npz archive, by its name there, which ends in .npy."""
    with archive.open(name) as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # to the end, where the checksum is compared
    return array
