"""The live page in a real browser: CPU and time from a stroke to the answer and the maps, first paint, sizes.

    python benchmarks/live.py [--strokes 200]

CPU is what a core was busy for: in the browser that of the page's main thread (DevTools' Performance domain, by thread
ticks), in Python that of the thread that answers. The stroke is a move of the pen on a paper that holds a digit.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from minivit import ViT
from minivit.data import TRAINED_DIGITS
from minivit.live.export import export_page
from minivit.live.server import Server

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "live"))
from browser import Browser, Page  # noqa: E402
from live_support import LIVE, THREE, draw_three, settled  # noqa: E402


def busy(page: Page) -> float:
    """Seconds that the page's main thread has been busy for."""
    metrics = page.call("Performance.getMetrics")["metrics"]
    return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def strokes(page: Page, count: int) -> dict[str, float]:
    """Median milliseconds of `count` moves of the pen: the page's CPU, what the answer says that it took, and the
    time until it was there; and answers a second while the pen does not rest."""
    draw_three(page)
    x, y, width, height = page.box(".mv-paper")
    page.mouse("mousePressed", x + THREE[-1][0] * width, y + THREE[-1][1] * height, down=True)
    page.run("new Promise((done) => setTimeout(done, 500))")
    cpu, answered, waited = [], [], []
    for i in range(count):
        before, start = busy(page), time.perf_counter()
        seen = page.run(f"{LIVE}.looks")
        page.mouse("mouseMoved", x + (0.3 + 0.3 * i / count) * width, y + 0.8 * height, down=True)
        page.run(
            f"new Promise((done) => {{const wait = () => {LIVE}.looks > {seen} && !{LIVE}.busy() ?"
            " requestAnimationFrame(() => setTimeout(done)) : setTimeout(wait, 1); wait()})"
        )
        waited.append(1000 * (time.perf_counter() - start))
        cpu.append(1000 * (busy(page) - before))
        answered.append(page.run(f"{LIVE}.answer.milliseconds"))
    page.mouse("mouseReleased", x, y)
    seen, start = page.run(f"{LIVE}.looks"), time.perf_counter()
    page.mouse("mousePressed", x + 0.2 * width, y + 0.2 * height, down=True)
    while time.perf_counter() < start + 3:
        part = (time.perf_counter() - start) / 3
        page.mouse("mouseMoved", x + (0.2 + 0.6 * part) * width, y + 0.2 * height, down=True)
    rate = (page.run(f"{LIVE}.looks") - seen) / (time.perf_counter() - start)
    page.mouse("mouseReleased", x, y)
    medians = map(float, map(np.median, (cpu, answered, waited)))
    return dict(zip(("page", "answer", "waited"), medians, strict=True)) | {"rate": rate}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--strokes", type=int, default=200)
    count = parser.parse_args().strokes
    model = ViT.load(TRAINED_DIGITS)
    with tempfile.TemporaryDirectory() as folder, Server(model, 0) as server, Browser() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        file = Path(folder) / "page.html"
        size = export_page(model, file)
        print(f"{model}, {count} strokes; the exported page has {size / 1000:,.0f} kB")
        for host, address in (("served", server.address), ("exported", file.as_uri())):
            paints = []
            for _ in range(5):
                page = browser.open(address)
                settled(page)
                page.wait("performance.getEntriesByName('first-contentful-paint').length")
                paints.append(page.run("performance.getEntriesByName('first-contentful-paint')[0].startTime"))
                page.close()
            page = browser.open(address)
            page.call("Performance.disable")
            page.call("Performance.enable", timeDomain="threadTicks")
            settled(page)
            found = strokes(page, count)
            python = found["answer"] if host == "served" else 0.0
            print(
                f"{host}: CPU from stroke to answer and maps {found['page'] + python:.1f} ms (median; the page "
                f"{found['page']:.1f}, Python {python:.1f}), there after {found['waited']:.0f} ms; "
                f"{found['rate']:.0f} answers a second; first paint after {min(paints):.0f} … {max(paints):.0f} ms"
            )
            page.close()
        server.shutdown()


if __name__ == "__main__":
    main()
