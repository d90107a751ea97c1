"""The page in a real browser, served and exported: somebody draws, points, rubs out, steps and walks, and reads it."""

import threading
import time

import numpy as np
import pytest
from browser import Browser
from live_support import LIVE, draw_three, painted, probabilities, require_browser, settled

from minivit import ViT
from minivit.data import TRAINED_DIGITS
from minivit.live.export import export_page
from minivit.live.server import Server

HOSTS = ("served", "exported")


@pytest.fixture(scope="module")
def model():
    return ViT.load(TRAINED_DIGITS)


@pytest.fixture(scope="module")
def browser():
    require_browser()
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(model):
    with Server(model, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def addresses(server, model, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "page.html"
    export_page(model, file)
    return {"served": server.address, "exported": file.as_uri()}


@pytest.fixture(params=HOSTS)
def page(request, browser, addresses, server):
    """A page on which a 3 was drawn. Whatever is done with it, the console stays silent, and the network too."""
    page = browser.open(addresses[request.param])
    settled(page)
    draw_three(page)
    yield page
    assert page.complaints() == []
    here = server.address if request.param == "served" else addresses["exported"]
    assert all(address.startswith((here, "data:")) for address in page.requested()), page.requested()
    page.close()
    server.session.practice = None


@pytest.fixture
def served(page):
    if "absent" in page.run(f"{LIVE}.about"):
        pytest.skip("what needs a backward: the exported page says that it has none, which is tested below")
    return page


def predicted(model, page):
    """What NumPy says of the pixels that the page shows."""
    pixels = page.run(f"Array.from({LIVE}.shown())")
    return model.predict(np.array(pixels, np.uint8).reshape(1, 28, 28, 1))[0]


def test_a_drawn_three_is_read(page, model):
    found = probabilities(page)
    assert int(np.argmax(found)) == 3 and found[3] > 0.9
    np.testing.assert_allclose(found, predicted(model, page), atol=6e-4)
    assert page.run("document.querySelector('.mv-best').textContent").startswith("3")


def test_clear_takes_the_ink_away(page):
    page.press("Clear")
    settled(page)
    assert page.run(f"{LIVE}.pixels.every((one) => one === 0)")


def test_the_eraser_takes_some_ink_away(page):
    before = page.run(f"{LIVE}.pixels.reduce((a, b) => a + b)")
    page.press("Eraser")
    page.stroke(".mv-paper", [(0.4, 0.48), (0.65, 0.48)])
    page.wait(f"{LIVE}.pixels.reduce((a, b) => a + b) < {before}")


def test_examples_and_test_digits_are_read_as_they_are(page, model):
    page.click(".mv-thumbs button:nth-child(8)")
    page.wait(f"{LIVE}.label === 7")
    settled(page)
    np.testing.assert_allclose(probabilities(page), predicted(model, page), atol=6e-4)
    before = painted(page, ".mv-paper")
    page.press("Random test digit")
    page.wait(f"document.querySelector('.mv-paper').toDataURL() !== {before!r}")


def test_pointing_at_a_patch_shows_its_row_of_attention(page, model):
    pixels = np.array(page.run(f"Array.from({LIVE}.shown())"), np.uint8).reshape(1, 28, 28, 1)
    weights = model.attention(model.normalize(pixels))[:, 0]
    before = painted(page, ".mv-maps canvas")
    x, y, width, height = page.box(".mv-seen")
    page.mouse("mouseMoved", x + width * 2.5 / 7, y + height * 4.5 / 7)
    page.wait("document.querySelector('.mv-attention .mv-note').textContent.includes('row 5, column 3')")
    assert painted(page, ".mv-maps canvas") != before and not page.run("document.querySelector('.mv-frame').hidden")
    shown = page.run(f"Array.from({LIVE}.answer.maps[1].data)")
    np.testing.assert_allclose(np.reshape(shown, (4, 50, 50)), weights[1], atol=1e-5)
    page.click(".mv-block:nth-child(2) button:nth-of-type(3)")
    page.wait("document.querySelector('.mv-rub .mv-note').textContent.includes('block 2, head 3')")


def test_rubbed_out_patches_change_the_answer(page, model):
    before = probabilities(page)
    page.press("Rub out patches")
    page.stroke(".mv-seen", [(2.5 / 7, 1.5 / 7), (3.5 / 7, 1.5 / 7), (4.5 / 7, 1.5 / 7), (4.5 / 7, 2.5 / 7)])
    page.wait(f"{LIVE}.hidden.size === 4")
    settled(page)
    after = probabilities(page)
    assert np.abs(np.subtract(before, after)).max() > 0.001
    np.testing.assert_allclose(after, predicted(model, page), atol=6e-4)
    assert page.run(f"{LIVE}.shown()[6 * 28 + 14]") == 0
    page.press("Put all back")
    page.wait(f"{LIVE}.hidden.size === 0")
    settled(page)
    np.testing.assert_allclose(probabilities(page), before, atol=1e-9)


def test_the_gradient_s_steps_turn_the_three_into_a_nine(served, model):
    served.wait("document.querySelector('.mv-gradient .mv-note').textContent.includes('Log-odds of “9”')")
    before = predicted(model, served)[9]
    drawn = served.run(f"Array.from({LIVE}.pixels)")
    served.press("Ten", ".mv-gradient")
    served.wait("Number(document.querySelectorAll('.mv-value')[9].textContent.split(' ')[0]) > 50", 60)
    assert predicted(model, served)[9] > max(0.5, before)
    served.press("Back", ".mv-gradient")
    served.wait(f"JSON.stringify(Array.from({LIVE}.pixels)) === {str(drawn).replace(' ', '')!r}")


def test_the_lens_ends_with_the_answer(page):
    page.wait("document.querySelectorAll('.mv-lens tbody tr').length === 4")
    last = page.run("[...document.querySelectorAll('.mv-lens tr:last-child td')].map((one) => one.textContent)")
    found = probabilities(page)
    assert [0 if text == "·" else int(text) for text in last] == [round(100 * p) if p > 0.005 else 0 for p in found]


def test_the_knobs_are_the_model_s(page):
    before = probabilities(page)
    page.run("(() => {const s = document.querySelector('.mv-slider input'); s.value = 3;"
             "s.dispatchEvent(new Event('input'))})()")  # fmt: skip
    warm = probabilities(page)
    logits = np.array(page.run(f"Array.from({LIVE}.answer.logits.data)")) / 8
    np.testing.assert_allclose(warm, np.exp(logits) / np.exp(logits).sum(), atol=6e-4)
    assert max(warm) < max(before)
    for number in (1, 2):
        before = page.run(f"Array.from({LIVE}.answer.maps[1].data.subarray(0, 50))")
        page.click(f".mv-knobs .mv-knob:nth-of-type({number + 1}) input")
        page.wait(f"{LIVE}.answer.maps[1].data.subarray(0, 50).some((one, i) => Math.abs(one - {before}[i]) > 0.01)")
    said = page.run("document.querySelector('.mv-bars ~ .mv-note').textContent")
    assert "without √d, without positions, temperature 8" in said


def test_it_learns_what_it_is_told(served):
    served.wait("document.querySelector('.mv-train .mv-note').textContent.includes('195 of 200')")
    served.run("document.querySelector('.mv-train select').value = 8")
    served.press("Ten", ".mv-train")
    served.wait("document.querySelector('.mv-train .mv-note').textContent.startsWith('10 steps')")
    served.wait("document.querySelector('.mv-best').textContent.startsWith('8')")
    assert "195 of 200" not in served.run("document.querySelector('.mv-train .mv-note').textContent")
    served.press("Start over", ".mv-train")
    served.wait("document.querySelector('.mv-best').textContent.startsWith('3')")


def test_every_array_of_the_forward_is_drawn(page):
    page.press("Walk through this digit")
    page.wait("document.querySelectorAll('.mv-steps canvas').length === 42")
    page.press("Next ›")
    page.press("Next ›")
    step = page.run("document.querySelector('.mv-step').innerText")
    assert "3 of 42 · linear" in step and "shape (1, 49, 48) from (1, 49, 16)" in step
    assert "with patch_embed.proj.weight, .bias" in step and "minivit/ops/linear.py, line" in step
    assert "y = x.reshape(-1, x.shape[-1]) @ weight" in step
    assert page.run("(() => {const c = document.querySelector('.mv-large canvas'); return [c.width, c.height]})()") == [
        48,
        49,
    ]


def test_what_the_exported_page_has_not_it_says(browser, addresses):
    page = browser.open(addresses["exported"])
    settled(page)
    for view in ("gradient", "train"):
        assert "python -m minivit live" in page.run(f"document.querySelector('.mv-{view} .mv-absent').textContent")
        assert page.run(f"document.querySelectorAll('.mv-{view} button').length") == 0
    page.close()


# ---- for everybody ---------------------------------------------------------------------------------------------------


def test_the_keyboard_is_enough(page):
    page.press("Clear")
    settled(page)
    page.run("document.querySelector('.mv-paper').focus()")
    page.key(" ")
    page.key("ArrowDown", 12)  # a one
    page.key(" ")
    page.wait(f"{LIVE}.pixels.some((one) => one > 100)")
    settled(page)
    assert page.run("document.querySelector('.mv-best').textContent").startswith("1")
    page.run("document.querySelector('.mv-seen').focus()")
    page.key("ArrowUp")
    page.key("Enter")
    page.wait(f"{LIVE}.hidden.size === 1")
    page.press("Walk through this digit")
    page.wait("document.querySelectorAll('.mv-steps canvas').length === 42")
    page.run("document.querySelector('.mv-steps').focus()")
    page.key("ArrowRight", 3)
    assert "4 of 42" in page.run("document.querySelector('.mv-step').innerText")


def test_whatever_can_be_used_has_a_name(page):
    used = {"button", "checkbox", "slider", "combobox", "image", "application", "listbox", "link", "region"}

    def found():
        """Of each element its role and its name."""
        tree = page.call("Accessibility.getFullAXTree")["nodes"]
        return [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]]

    def nameless():
        return [(role, name) for role, name in found() if role in used and not name]

    until = time.monotonic() + 10  # the browser makes this tree in its own time, after the page
    while nameless() and time.monotonic() < until:
        time.sleep(0.1)
    assert nameless() == []
    assert {role for role, _ in found()} >= {"button", "checkbox", "slider", "application", "link", "region", "status"}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize(("width", "dark"), [(360, False), (360, True), (768, False), (1600, False), (1600, True)])
def test_it_fits_phones_and_walls_by_day_and_night(browser, addresses, host, width, dark):
    page = browser.open(addresses[host], width=width, dark=dark)
    settled(page)
    page.press("Walk through this digit")
    page.wait("document.querySelectorAll('.mv-steps canvas').length === 42")
    assert (
        page.run("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    )  # nothing sticks out
    wide = page.run("[...document.querySelectorAll('.mv-card')].map((c) => c.scrollWidth - c.clientWidth)")
    assert max(wide) <= 0
    small = page.run("[...document.querySelectorAll('.mv-row button')].map((b) => b.getBoundingClientRect().height)")
    assert min(small) >= 36  # for a finger
    red, green, blue = page.run(
        "getComputedStyle(document.querySelector('.mv-card')).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (red + green + blue < 150) == dark
    assert page.complaints() == []
    page.close()


@pytest.mark.parametrize("calm", [False, True])
def test_who_wants_less_motion_has_less(browser, addresses, calm):
    page = browser.open(addresses["exported"], calm=calm)
    settled(page)
    moving = page.run("getComputedStyle(document.querySelector('.mv-bar')).transitionProperty")
    assert (moving == "none") == calm
    page.close()


def test_a_server_that_is_another_one_by_now_is_said(browser, server):
    page = browser.open(server.address)
    settled(page)
    token, server.token = server.token, "another"
    draw_three(page)
    page.wait("document.querySelector('.mv-bars ~ .mv-note').textContent === 'the server refused: 403'")
    server.token = token
    draw_three(page)
    page.wait("document.querySelector('.mv-best').textContent.startsWith('3')")
    page.close()
