"""What lies under the name of a file of weights and is none: a git-lfs pointer, a web page, a pickle, a text.

The first bytes tell. A download that went wrong is the usual reason, and what the reader of another format says of it
helps nobody.
"""

import zipfile
from pathlib import Path

SAVE = "have PyTorch load it (torch.load(…, weights_only=True)), and save its tensors with safetensors.torch.save_file"
CURES = {
    "git-lfs": "is a git-lfs pointer, not the file that it stands for: run `git lfs pull`, or download the file itself",
    "page": "is a web page (HTML), not weights: the download went wrong, perhaps for want of a login; fetch it again",
    "json": "is JSON, not weights: give the .safetensors file beside it, or the folder",
    "torch": f"is a PyTorch file, a pickle in a zip, which could run code when it is read: {SAVE}",
    "pickle": f"is a pickle, which could run code when it is read: {SAVE}",
    "hdf5": "is an HDF5 file (Keras, TensorFlow), which is not read: save its arrays with numpy.savez",
    "gzip": "is gzipped: unpack it with gunzip",
    "tar": "is a tar archive: unpack it with tar -xf",
    "gguf": "is a GGUF file (llama.cpp), which is not read: get the model's .safetensors",
    "text": "is a text, not weights: expected a .npz, .safetensors or .onnx file",
}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


def check_not_alike(path: Path) -> None:
    """Raise ValueError, with what to do, for a file that is something else than weights."""
    if what := looks_like(path):
        raise ValueError(f"{path} {CURES[what]}")


def looks_like(path: Path) -> str | None:
    """One of CURES, None for what may be weights."""
    with open(path, "rb") as file:
        start = file.read(1024)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(b"version https://git-lfs"):
        return "git-lfs"
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")):
        return "page"
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return "hdf5"
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    if start.startswith(b"GGUF"):
        return "gguf"
    if start[257:262] == b"ustar":
        return "tar"
    if start.startswith(b"PK"):
        return "torch" if _holds_a_pickle(path) else None
    if start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05") and start[2:3] != b"\0":
        return "pickle"
    if text.startswith((b'{"', b"{\n", b"{ ")) and int.from_bytes(start[:8], "little") > 2**40:
        return "json"
    return "text" if _is_text(start) else None


def _is_text(start: bytes) -> bool:
    """No file of weights begins so: a .safetensors has a zero among its first 8 bytes, an .onnx a control character."""
    readable = len(start) >= 8 and not set(start) & (set(range(32)) - set(b"\t\n\f\r"))
    return readable and "\ufffd" not in start.decode(errors="replace")[:-1]  # the last letter may be cut


def _holds_a_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith(".pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False  # damaged: its reader says how
