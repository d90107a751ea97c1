"""docs/live.png, the picture of the live page in the README: a 3 is drawn, and one of its patches pointed at.

python docs/make_live.py     needs Chromium
"""

import io
import sys
import threading
from pathlib import Path

from PIL import Image

from minivit import ViT
from minivit.data import TRAINED_DIGITS
from minivit.live.server import Server

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "tests" / "live"))

from browser import Browser  # noqa: E402  its folder is found only now
from live_support import draw_three, settled  # noqa: E402

COLOURS = 256
WIDTH = 1240


def live_picture(address: str) -> Image.Image:
    """The upper part of the page: the paper, what the model sees, its answer, and where it looks."""
    with Browser() as browser:
        page = browser.open(address, width=WIDTH, height=1300)
        settled(page)
        draw_three(page)
        x, y, width, height = page.box(".mv-seen")
        page.run("scrollTo(0, 0)")
        x, y, width, height = page.run(
            "(() => {const b = document.querySelector('.mv-seen').getBoundingClientRect();"
            " return [b.x, b.y, b.width, b.height]})()"
        )
        page.mouse("mouseMoved", x + width * 3.5 / 7, y + height * 3.5 / 7)
        page.wait("document.querySelector('.mv-attention .mv-note').textContent.includes('row 4, column 4')")
        page.run("new Promise((done) => setTimeout(done, 500))")
        end = page.run("document.querySelector('.mv-attention').getBoundingClientRect().bottom + 14")
        whole = Image.open(io.BytesIO(page.picture()))
    return whole.crop((0, 0, WIDTH, min(round(end), whole.height))).convert("RGB")


def main() -> None:
    with Server(ViT.load(TRAINED_DIGITS), 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        picture = live_picture(server.address)
        server.shutdown()
    picture.quantize(COLOURS).save(DOCS / "live.png", optimize=True)
    print(f"wrote {DOCS / 'live.png'}: {picture.size}, {(DOCS / 'live.png').stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
