"""docs/chapters.png, the strip of chapters in the README: each chapter's picture with its number and title.

python docs/make_chapters.py     after course/build.py (pip install -e ".[test]")
"""

import sys
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

DOCS = Path(__file__).resolve().parent
COURSE = DOCS.parent / "course"
sys.path.insert(0, str(COURSE))

from builder.source import Chapter, read_chapter  # noqa: E402  its folder is found only now

COLUMNS, WIDTH, HEIGHT, LABEL, GAP = 5, 216, 112, 44, 14  # pixels: of a picture, of the two lines under it, between


def chapters_strip(chapters: list[Chapter]) -> Image.Image:
    """The chapters in rows, on white, so that the strip can be seen on a dark page, too."""
    rows = -(-len(chapters) // COLUMNS)
    size = GAP + COLUMNS * (WIDTH + GAP), GAP + rows * (HEIGHT + LABEL + GAP)
    strip = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(15)
    for i, chapter in enumerate(chapters):
        x = GAP + i % COLUMNS * (WIDTH + GAP)
        y = GAP + i // COLUMNS * (HEIGHT + LABEL + GAP)
        with Image.open(COURSE / "pictures" / f"{chapter.name}.png") as file:
            picture = file.convert("RGB")
        picture.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        strip.paste(picture, (x + (WIDTH - picture.width) // 2, y + (HEIGHT - picture.height) // 2))
        title = textwrap.fill(f"{chapter.number} · {chapter.title}", 27, max_lines=2, placeholder=" …")
        draw.multiline_text((x + WIDTH / 2, y + HEIGHT + 4), title, "#333333", font, anchor="ma", align="center")
    return strip


if __name__ == "__main__":
    chapters = [read_chapter(path) for path in sorted((COURSE / "src").glob("[0-9][0-9]*_*.py"))]
    chapters = [chapter for chapter in chapters if (COURSE / "pictures" / f"{chapter.name}.png").exists()]
    few = chapters_strip(chapters).quantize(128, dither=Image.Dither.NONE)  # a quarter of the bytes
    names = PngInfo()
    names.add_text("chapters", " ".join(chapter.name for chapter in chapters))  # a test reads it
    few.save(DOCS / "chapters.png", optimize=True, pnginfo=names)
    print(f"docs/chapters.png: {few.width} x {few.height}, {(DOCS / 'chapters.png').stat().st_size:,} bytes")
