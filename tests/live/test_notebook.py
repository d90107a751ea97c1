"""minivit.Live in a cell of a real JupyterLab: drawn on with the pointer, answered by the kernel."""

import importlib.util
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from urllib.error import URLError

import numpy as np
import pytest
from browser import Browser
from live_support import LIVE, draw_three, probabilities, require, require_browser, settled

import minivit
from minivit import ViT, load_mnist
from minivit.data import TRAINED_DIGITS
from minivit.live.session import Session

PATIENCE = 120  # seconds for a server, a page and a kernel to start on a busy machine


def lab_is_there():
    for name in ("jupyterlab", "anywidget"):
        require(name if importlib.util.find_spec(name) else None, name)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab with one notebook, and everything that it writes in a folder of its own: its address."""
    require_browser()
    lab_is_there()
    import nbformat
    from jupyter_server.utils import url_path_join  # noqa: F401  what lab needs is whole

    home = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import minivit\nminivit.Live()")])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (home / "work").mkdir()
    nbformat.write(notebook, home / "work" / "live.ipynb")
    token = secrets.token_hex(16)
    folders = {f"JUPYTER_{name}_DIR": str(home / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = os.environ | folders | {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_NO_CONFIG": "1"}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", f"--ServerApp.root_dir={home / 'work'}"]
    options += [f"--IdentityProvider.token={token}", "--LabApp.news_url=None", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with open(home / "log", "w") as log:
        process = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stderr=log)
    try:
        yield f"{address(process, home)}doc/tree/live.ipynb?token={token}"
    finally:
        process.terminate()
        process.wait(30)


def address(process, home):
    """Where it listens, once it answers: as it says in a file of its own."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for file in (home / "RUNTIME").glob("jpserver-*.json"):
            try:
                told = json.loads(file.read_text())
                urllib.request.urlopen(f"{told['url']}api/status?token={told['token']}", timeout=5)
                return told["url"]
            except (URLError, ValueError, OSError):
                pass
        time.sleep(0.2)
    raise TimeoutError(f"JupyterLab did not start: {(home / 'log').read_text()[-2000:]}")


def run_the_cell(page):
    """By the toolbar's button, again where the kernel was not connected yet and has not heard of it."""
    for _ in range(10):
        page.click(".jp-InputPrompt")
        page.click("[data-command='notebook:run-cell-and-select-next']")
        try:
            return page.wait("document.querySelector('.jp-InputPrompt').textContent.trim() !== '[ ]:'", PATIENCE / 10)
        except TimeoutError:
            continue
    raise TimeoutError("the cell does not run")


def test_a_digit_is_drawn_in_a_cell(lab):
    with Browser() as browser:
        page = browser.open(lab, width=1400, height=1000)
        page.wait("document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'", PATIENCE)
        page.wait("document.querySelector('.jp-Notebook .cm-content')", PATIENCE)
        run_the_cell(page)
        settled(page, PATIENCE)
        draw_three(page)
        assert int(np.argmax(probabilities(page))) == 3
        pixels = np.array(page.run(f"Array.from({LIVE}.pixels)"), np.uint8).reshape(1, 28, 28, 1)
        expected = ViT.load(TRAINED_DIGITS).predict(pixels)[0]
        np.testing.assert_allclose(probabilities(page), expected, atol=6e-4)
        page.run("document.querySelector('.mv-train select').value = 8")
        page.press("Ten", ".mv-train")
        page.wait("document.querySelector('.mv-best').textContent.startsWith('8')", PATIENCE)
        elsewhere = [
            one for one in page.requested() if not one.startswith((lab[: lab.index("doc/")], "data:", "blob:"))
        ]
        assert elsewhere == []
        ours = [one for one in page.complaints() if "minivit" in one or "anywidget" in one]
        assert [one for one in ours if "to activate" not in one] == []  # JupyterLab says so where the machine is busy


# ---- without a browser -----------------------------------------------------------------------------------------------


@pytest.fixture
def live():
    lab_is_there()
    return minivit.Live(ViT.load(TRAINED_DIGITS))


def test_a_widget_holds_the_page_and_what_it_must_know(live):
    state = live.widget.get_state()
    assert state["about"]["side"] == 28 and "export default { render }" in state["_esm"] and ".mv-card" in state["_css"]
    bundle = live._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in (bundle[0] if isinstance(bundle, tuple) else bundle)


def test_what_the_page_asks_is_answered_with_arrays_beside_it(live, monkeypatch):
    sent = []
    monkeypatch.setattr(type(live.widget), "send", lambda self, content, buffers=None: sent.append((content, buffers)))
    pixels = load_mnist().test_images[0].ravel().tolist()
    live._asked(live.widget, {"id": 3, "ask": "see", "pixels": pixels}, [])
    ((content, buffers),) = sent
    expected = Session(live.session.given).answer({"ask": "see", "pixels": pixels})["logits"]
    assert content["id"] == 3
    np.testing.assert_allclose(np.frombuffer(buffers[content["logits"]["array"]], "<f4"), expected, rtol=1e-6)


def test_without_anywidget_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r'pip install "minivit\[live\]"'):
        minivit.Live()


def test_a_model_that_cannot_be_drawn_for_is_refused():
    lab_is_there()
    with pytest.raises(TypeError, match="a classifier of digits, and this is a str"):
        minivit.Live("model.npz")
