"""A headless Chromium, driven by its DevTools protocol over two pipes (--remote-debugging-pipe): no library is needed.

    with Browser() as browser:
        page = browser.open("http://127.0.0.1:8787/…/", width=360)
        page.run("document.title")

Messages are JSON, each ended by a zero byte: https://chromedevtools.github.io/devtools-protocol/.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless",
    "--no-sandbox",  # which root may not have
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
)


class Browser:
    """One Chromium, with a folder of its own that is gone when it ends."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        theirs_in, self._write = os.pipe()
        self._read, theirs_out = os.pipe()
        # It reads file 3 and writes file 4: bash puts the pipes there, from numbers that cannot be 3 or 4 themselves.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (theirs_in, theirs_out)]
        command = [CHROMIUM, *OPTIONS, f"--user-data-dir={self.folder.name}", "about:blank"]
        script = f'exec "$@" 3<&{ends[0]} 4>&{ends[1]} {ends[0]}<&- {ends[1]}>&-'
        self.process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=ends,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._buffer, self._count = b"", 0
        self.events: list[dict] = []

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._write)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self._read)
        self.folder.cleanup()

    def call(self, method: str, session: str | None = None, timeout: float = 30, **params: Any) -> dict:
        """One command and its result. RuntimeError where Chromium says no, TimeoutError where it says nothing."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + timeout
        while True:
            answer = self._message(end - time.monotonic(), method)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _message(self, seconds: float, waiting_for: str) -> dict:
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise TimeoutError(f"Chromium has not answered {waiting_for}")
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("Chromium has ended")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(
        self, address: str, width: int = 1280, height: int = 900, dark: bool = False, calm: bool = False
    ) -> "Page":
        """A new page. dark, calm: of somebody who prefers dark colours, or less motion."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network", "Performance"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500
        )
        features = {"prefers-color-scheme": "dark" if dark else "light"}
        features["prefers-reduced-motion"] = "reduce" if calm else "no-preference"
        page.call("Emulation.setEmulatedMedia", features=[{"name": k, "value": v} for k, v in features.items()])
        page.call("Emulation.setFocusEmulationEnabled", enabled=True)  # as the one page that somebody looks at
        page.call("Emulation.setScrollbarsHidden", hidden=True)
        page.call("Page.navigate", url=address)
        return page


class Page:
    """One page: run JavaScript in it, point, press keys, look at it."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.browser, self.target, self.session = browser, target, session

    def call(self, method: str, **params: Any) -> dict:
        return self.browser.call(method, self.session, **params)

    def run(self, script: str) -> Any:
        """The value of an expression, awaited. Raises RuntimeError with the page's own exception."""
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if details := result.get("exceptionDetails"):
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait(self, script: str, seconds: float = 30) -> None:
        """Until an expression is true. Raises TimeoutError where it never is."""
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({script})"):
            if time.monotonic() > end:
                raise TimeoutError(f"never true: {script}")
            time.sleep(0.05)

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """x, y, width, height of an element, scrolled into sight."""
        return tuple(
            self.run(
                f"(() => {{const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
                "const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]})()"
            )
        )

    def mouse(self, kind: str, x: float, y: float, down: bool = False) -> None:
        button = {"button": "left", "clickCount": 1} if kind != "mouseMoved" else {"button": "none"}
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=int(down), **button)

    def stroke(self, selector: str, points: list[tuple[float, float]]) -> None:
        """Drag the mouse over an element, along points in parts of it."""
        x, y, width, height = self.box(selector)
        places = [(x + px * width, y + py * height) for px, py in points]
        self.mouse("mousePressed", *places[0], down=True)
        for place in places[1:]:
            self.mouse("mouseMoved", *place, down=True)
        self.mouse("mouseReleased", *places[-1])

    def click(self, selector: str, at: tuple[float, float] = (0.5, 0.5)) -> None:
        self.stroke(selector, [at])

    def press(self, text: str, within: str = "body") -> None:
        """A button of the page, by the words on it."""
        buttons = f"[...document.querySelectorAll('{within} button')]"
        found = self.run(
            f"(() => {{const b = {buttons}.find((b) => b.textContent === {text!r}); b?.click(); return Boolean(b)}})()"
        )
        if not found:
            raise LookupError(f"there is no button {text!r} in {within}")

    def key(self, key: str, times: int = 1, shift: bool = False) -> None:
        names = {" ": ("Space", 32), "Delete": ("Delete", 46), "Enter": ("Enter", 13), "Tab": ("Tab", 9)}
        names |= {f"Arrow{way}": (f"Arrow{way}", 37 + i) for i, way in enumerate(("Left", "Up", "Right", "Down"))}
        code, number = names[key]
        for _ in range(times):
            for kind in ("rawKeyDown", "keyUp"):
                more = {"windowsVirtualKeyCode": number, "modifiers": 8 * shift}
                self.call("Input.dispatchKeyEvent", type=kind, key=key, code=code, **more)

    def picture(self, whole: bool = False, selector: str | None = None) -> bytes:
        """PNG: what is in sight, the whole page, or one element."""
        options: dict[str, Any] = {}
        if whole or selector:
            box = f"document.querySelector({selector!r}).getBoundingClientRect()" if selector else None
            box = box or "{x: 0, y: 0, width: innerWidth, height: document.documentElement.scrollHeight}"
            x, y, width, height = self.run(
                f"(() => {{const b = {box}; return [b.x + scrollX * {int(bool(selector))},"
                f" b.y + scrollY * {int(bool(selector))}, b.width, b.height]}})()"
            )
            clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
            options = {"captureBeyondViewport": True, "clip": clip}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **options)["data"])

    def complaints(self) -> list[str]:
        """What the console was told as an error or a warning, exceptions included, since the page was opened."""
        self.run("1")  # what has happened is told before this is answered
        found = []
        for event in self.browser.events:
            params = event.get("params", {})
            if event.get("sessionId") != self.session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                found.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
                found.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
                found.append(" ".join(str(arg.get("value")) for arg in params["args"]))
        return found

    def requested(self) -> list[str]:
        """The addresses of everything that it has asked the network for."""
        self.run("1")
        return [
            event["params"]["request"]["url"]
            for event in self.browser.events
            if event.get("sessionId") == self.session and event["method"] == "Network.requestWillBeSent"
        ]

    def close(self) -> None:
        self.browser.call("Target.closeTarget", targetId=self.target)
