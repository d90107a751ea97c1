"""What cannot be read is called by its name, with what helps; what is large is read within bounds."""

import io
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from minivit.data import read_digit
from minivit.data.characters import as_characters
from minivit.data.opening import MOST_PIXELS, on_paper, open_picture

NAMED = {
    b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + bytes(400): "a HEIC picture.*pip install pillow-heif",
    b"\0\0\0\x24ftypisom\0\0\0\0" + bytes(400): "a video",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG drawing",
    b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>": "an SVG drawing",
    b"": "empty: copy or download",
    b"<!DOCTYPE html><html></html>": "a web page",
    b"%PDF-1.7\n": "a PDF document",
    b"version https://git-lfs.github.com/spec/v1\n": "git lfs pull",
    b"PK\x03\x04" + bytes(40): "a zip archive",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL picture",
    b"Dear reader": "first bytes are those of no picture",
}


@pytest.mark.parametrize("content", NAMED, ids=lambda content: repr(content[:12]))
@pytest.mark.parametrize("name", ["photo.jpg", "photo.heic"])
def test_a_file_without_a_reader_is_called_by_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is not a picture that can be read: .*{NAMED[content]}") as error:
        open_picture(tmp_path / name)
    assert "BufferedReader" not in str(error.value)


def test_a_picture_that_is_cut_off(tmp_path):
    Image.effect_noise((200, 200), 50).save(tmp_path / "whole.jpg")
    (tmp_path / "half.jpg").write_bytes((tmp_path / "whole.jpg").read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"half\.jpg .*cut off.*copy or download it again"):
        open_picture(tmp_path / "half.jpg")
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_one_number_that_is_none(bad):
    image = np.full((6, 5), 0.5)
    image[3, 2] = bad
    with pytest.raises(ValueError, match=r"holds 1 NaN or infinite numbers, first at \(3, 2\)"):
        open_picture(image)
    deep = Image.fromarray(image.astype(np.float32))
    with pytest.raises(ValueError, match="NaN or infinity"):
        open_picture(deep)


def test_deep_pictures_span_their_own_range():
    deep = np.linspace(-3, 5, 12, dtype=np.float32).reshape(3, 4)
    expected = np.uint8(255 * (deep.astype(float) + 3) / 8)
    np.testing.assert_array_equal(np.asarray(open_picture(Image.fromarray(deep))), expected)


MEMORY = """
import resource, sys
from pathlib import Path
from minivit.data.opening import open_picture
picture = open_picture(sys.argv[1])
megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
status = Path("/proc/self/status")  # Linux counts what the process had before it became this one, but not there
if status.exists():
    megabytes = int(status.read_text().split("VmHWM:")[1].split()[0]) // 1024
print(*picture.size, megabytes)
"""


@pytest.mark.parametrize(("name", "size"), [("phone.jpg", (12_000, 9_000)), ("scan.png", (14_100, 14_100))])
def test_a_photograph_of_many_megapixels_is_read_in_less_than_a_gigabyte(tmp_path, name, size):
    colours = Image.new("RGB", (2, 1), "red")
    colours.putpixel((1, 0), (0, 0, 255))
    colours.resize(size, Image.Resampling.NEAREST).save(tmp_path / name, quality=50)
    before = Image.MAX_IMAGE_PIXELS
    done = subprocess.run([sys.executable, "-c", MEMORY, str(tmp_path / name)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    width, height, megabytes = map(int, done.stdout.split())
    assert min(width, height) >= 2_000 and abs(width / height - size[0] / size[1]) < 0.01
    assert megabytes < 1_000 and before == Image.MAX_IMAGE_PIXELS


def test_above_two_hundred_megapixels_the_header_is_enough(tmp_path):
    file = io.BytesIO()
    Image.new("1", (8, 8)).save(file, "png")
    header = bytearray(file.getvalue())
    header[16:24] = (20_000).to_bytes(4, "big") + (10_001).to_bytes(4, "big")
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(header)
    with pytest.raises(ValueError, match=r"20000 x 10001 pixels, 200 megapixels, expected at most 200"):
        open_picture(tmp_path / "bomb.png")
    assert MOST_PIXELS == 200_000_000


def test_ink_on_nothing_gets_paper_that_it_is_seen_on():
    drawn = np.zeros((10, 10, 4), np.uint8)
    drawn[4:6, 2:8] = (255, 255, 255, 255)
    assert np.asarray(on_paper(Image.fromarray(drawn)).convert("L"))[0, 0] == 0
    drawn[4:6, 2:8, :3] = 0
    assert np.asarray(on_paper(Image.fromarray(drawn)).convert("L"))[0, 0] == 255


def test_what_is_seen_can_be_printed_anywhere():
    image = np.zeros((2, 3, 1), np.uint8)
    image[1] = [[0], [128], [255]]
    assert as_characters(image) == "\n  ++@@" and as_characters(image).isascii()
    assert as_characters(image / 255) == as_characters(image)
    wide = as_characters(np.full((224, 224, 3), 255, np.uint8)).splitlines()
    assert max(map(len, wide)) <= 80 and len(wide) == len(wide[0]) // 2


def test_read_digit_wants_a_picture():
    with pytest.raises(TypeError, match="expected a path, a Pillow image or an array"):
        read_digit(7)
