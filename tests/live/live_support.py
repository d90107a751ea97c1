"""What the tests of the page share."""

import os

import pytest
from browser import CHROMIUM, Page

from minivit.live.page import ASSETS as ASSETS

# A 3, as a line in parts of the paper.
THREE = [
    (0.30, 0.22), (0.45, 0.14), (0.62, 0.18), (0.68, 0.30), (0.60, 0.42), (0.45, 0.48), (0.60, 0.52), (0.70, 0.64),
    (0.65, 0.78), (0.48, 0.86), (0.30, 0.80),
]  # fmt: skip
LIVE = "document.querySelector('.minivit-live')?.minivit"


def require(tool: str | None, name: str) -> None:
    """Skip the test, visibly, where a tool is missing; fail where MINIVIT_BROWSER=required, as .ci/run sets it where it
    could install both."""
    if tool is None:
        (pytest.fail if os.environ.get("MINIVIT_BROWSER") == "required" else pytest.skip)(
            f"there is no {name}: the page was not opened"
        )


def require_browser() -> None:
    require(CHROMIUM, "Chromium")


def settled(page: Page, seconds: float = 60) -> None:
    """Until the page has an answer for what is on its paper, and nothing more is asked."""
    page.wait(f"{LIVE}?.answer && !{LIVE}.busy()", seconds)


def draw_three(page: Page, seconds: float = 60) -> None:
    page.stroke(".mv-paper", THREE)
    page.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # the ink is read
    settled(page, seconds)


def probabilities(page: Page) -> list[float]:
    """As they stand on the page."""
    texts = page.run("[...document.querySelectorAll('.mv-bars .mv-value')].map((one) => one.textContent)")
    return [float(text.split()[0]) / 100 for text in texts]


def painted(page: Page, selector: str) -> str:
    """A canvas's pixels, to tell whether they have changed."""
    return page.run(f"document.querySelector({selector!r}).toDataURL()")
