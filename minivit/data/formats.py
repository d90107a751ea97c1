"""Files that look like pictures and that Pillow has no reader for: named by their first bytes, with what helps."""

import os

SAVE = "save or export it as PNG or JPEG"
HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
VIDEO = (b"isom", b"iso2", b"mp41", b"mp42", b"qt  ", b"avc1", b"M4V ", b"3gp4", b"3gp5")
STARTS = {
    b"%PDF": f"a PDF document: {SAVE}",
    b"version https://git-lfs": "a git-lfs pointer, not the picture: run `git lfs pull`",
    b"\xff\x0a": f"a JPEG XL picture, which is not read: {SAVE}",
    b"\0\0\0\x0cJXL ": f"a JPEG XL picture, which is not read: {SAVE}",
    b"PK\x03\x04": "a zip archive (as .docx, .npz and apps' drawings are): unpack it, or export the picture as PNG",
    b"\x1f\x8b": "gzipped: unpack it first",
    b"\x93NUMPY": "a NumPy array: in Python use minivit.data.read_digit(np.load(path)) or preprocess",
    b"FUJIFILMCCD-RAW": f"a camera's raw file: {SAVE}",
    b"IIRO": f"a camera's raw file: {SAVE}",
    b"II*\0\x10\0\0\0CR": f"a camera's raw file: {SAVE}",
    b"gimp xcf": f"a GIMP project: {SAVE}",
    b"\x1aE\xdf\xa3": "a video: save one of its frames as PNG",
}


def is_heic(start: bytes) -> bool:
    """Is this how a HEIC or HEIF picture begins, whatever the file is called?"""
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def what_it_is(path: str | os.PathLike) -> str | None:
    """What a file is that cannot be read, and what helps; None where its first bytes do not tell."""
    with open(path, "rb") as file:
        start = file.read(512)
    if not start:
        return "empty: copy or download it again"
    if is_heic(start):
        return f"a HEIC picture, as iPhones take them: {SAVE}, or pip install pillow-heif"
    if start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis"):
        return f"an AVIF picture, which this Pillow cannot read: {SAVE}, or install Pillow 11.3 or newer"
    if start[4:8] == b"ftyp":
        known = "a video: save one of its frames as PNG" if start[8:12] in VIDEO else f"of a kind not read here: {SAVE}"
        return known
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if b"<svg" in text:
        return "an SVG drawing, which has no pixels: export it as PNG"
    if text.startswith((b"<!doctype html", b"<html")):
        return "a web page (HTML), not the picture: save the picture itself"
    return next((what for begin, what in STARTS.items() if start.startswith(begin)), None)
