"""Arrays of an .npz archive by name, looked at but unread: minivit.files.read_npz for files that are large."""

import math
import os
import zipfile
from functools import partial

import numpy as np

from .tensor import BFLOAT16, Tensor, unique


def read_lazy_npz(path: str | os.PathLike) -> dict[str, Tensor]:
    """The arrays of an archive by name. Nothing is unpickled, and nothing unpacks to more than its file can mean.

    Raises FileNotFoundError, and ValueError, naming what is wrong, for a file that is damaged or something else.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                unpacked = sum(member.file_size for member in members)
                if unpacked > 100 * os.fstat(file.fileno()).st_size + 2**20:
                    raise ValueError(f"it would unpack to {unpacked:,} bytes, more than 100 times its size")
                return unique((m.filename.removesuffix(".npy"), _look_at(path, archive, m)) for m in members)
        except Exception as error:  # a damaged archive fails in a dozen ways, and all of them mean this
            raise ValueError(f"{path} is not a complete .npz file: {error}") from error


def _look_at(path: str | os.PathLike, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Tensor:
    if not member.filename.endswith(".npy"):
        raise ValueError(f"it holds something else than arrays, {member.filename}")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{member.filename} is of .npy version {version}, expected (1, 0) or (2, 0)")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds pickled Python objects, expected numbers")
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(
                f"{member.filename} has {member.file_size - file.tell():,} bytes, too many or too few for "
                f"{dtype} {shape}"
            )
    if dtype == np.dtype("V2"):  # so NumPy writes JAX's bfloat16
        return Tensor(shape, BFLOAT16, lambda: _read(path, member.filename).view(np.uint16))
    return Tensor(shape, dtype.name, partial(_read, path, member.filename))


def _read(path: str | os.PathLike, name: str) -> np.ndarray:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            file.read()  # to the end, where the checksum is compared
    except Exception as error:
        raise ValueError(f"{path} is not a complete .npz file: {name}: {error}") from error
    return array.astype(array.dtype.newbyteorder("="), copy=False)
