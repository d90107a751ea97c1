"""The page in one file: JavaScript computes what NumPy computes, and what it cannot compute is refused by name."""

import itertools
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from live_support import ASSETS, require

from minivit import ViT, ViTConfig, family, load_mnist
from minivit.__main__ import main
from minivit.data import TRAINED_DIGITS
from minivit.data.picture import _centred, _scaled
from minivit.live import views
from minivit.live.export import check_plain, exported_page, inside
from minivit.live.walk import walk
from minivit.proof import order_one_parameters
from minivit.train.recipes import recipe

NODE = shutil.which("node")
DIGITS = load_mnist()

RUN = """
import { readFileSync } from "node:fs";
import * as page from "FILE";
const asked = JSON.parse(readFileSync(0));
const answer = (() => { BODY })();
console.log(JSON.stringify(answer, (_, v) => (ArrayBuffer.isView(v) ? Array.from(v) : v)));
"""
FORWARD = """
const all = new Float32Array(Uint8Array.from(Buffer.from(asked.inside.weights, "base64")).buffer);
let at = 0;
const p = Object.fromEntries(asked.inside.parameters.map(({ name, size }) => [name, all.subarray(at, (at += size))]));
const run = (pixels, note) => page.forward(asked.inside.config, p, pixels, asked.knobs ?? {}, note);
"""


def node(file, body, **asked):
    """What a function's body in JavaScript makes of `asked`, in a module that has imported one of the page's files."""
    require(NODE, "Node.js")
    script = RUN.replace("FILE", (ASSETS / file).as_uri()).replace("BODY", body)
    command = [NODE, "--input-type=module", "-e", script]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def model():
    return ViT.load(TRAINED_DIGITS)


def small(**options):
    sizes = dict(image_size=12, patch_size=3, channels=1, classes=3, width=10, depth=2, heads=2, mlp_ratio=1.5)
    config = ViTConfig(**sizes | options)
    params = {name: array.astype(np.float32) for name, array in order_one_parameters(config).items()}
    return ViT(config, params=params)


def test_the_logits_of_a_thousand_digits_are_numpy_s(model):
    images = DIGITS.test_images[:1000]
    pixels = images.reshape(1000, -1).tolist()
    logits = node(
        "forward.js",
        FORWARD + "return asked.images.map((one) => run(one).logits);",
        inside=inside(model),
        images=pixels,
    )
    found = np.array(logits)
    assert np.abs(found - model(model.normalize(images))).max() <= 1e-5
    exact = ViT(model.config, params={name: array.astype(np.float64) for name, array in model.params.items()})
    assert np.abs(found - exact(exact.normalize(images))).max() <= 1e-11  # both compute in float64


@pytest.mark.parametrize("options", [{}, {"gelu": "tanh"}, {"norm_eps": 1e-2, "image_mean": 0.2, "image_std": 0.7}])
@pytest.mark.parametrize("knobs", [{}, {"root": False}, {"positions": False}])
def test_maps_lens_and_walk_are_python_s(options, knobs):
    model = small(**options)
    image = np.random.default_rng(0).integers(0, 256, (1, 12, 12, 1), np.uint8)
    body = FORWARD + "const arrays = []; return { ...run(asked.image, (one) => arrays.push(one)), arrays };"
    found = node("forward.js", body, inside=inside(model), image=image.ravel().tolist(), knobs=knobs)
    altered = views.altered(model, **{"root": True, "positions": True} | knobs)
    seen = views.see(altered, image)
    np.testing.assert_allclose(found["logits"], seen.logits, atol=2e-4)
    np.testing.assert_allclose(found["lens"], seen.lens, atol=2e-4)
    for one, weights in zip(found["maps"], seen.maps, strict=True):
        np.testing.assert_allclose(np.reshape(one["data"], one["shape"]), weights, atol=1e-5)
    steps = walk(altered, image)
    assert [step["op"] for step in inside(model)["steps"]] == [step.op for step in steps]
    for one, step in zip(found["arrays"], steps, strict=True):
        if "qkv" in step.reads and "root" in knobs:
            continue  # Python has longer queries, JavaScript does not divide the scores
        np.testing.assert_allclose(one["data"], step.array.ravel(), atol=2e-4, err_msg=step.op)


def drawing(seed):
    """Ink 0 … 255 on 280 × 280: a thick line along some points, with soft edges."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(30, 250, (5, 2))
    line = np.concatenate([np.linspace(a, b, 60) for a, b in itertools.pairwise(places)])
    distance = np.full((280, 280), np.inf)
    y, x = np.mgrid[:280, :280]
    for py, px in line:
        distance = np.minimum(distance, np.hypot(y - py, x - px))
    return np.clip(255 * (12 - distance), 0, 255).round().astype(np.uint8)


@pytest.mark.parametrize("size", [28, 12])
def test_a_drawing_is_fitted_as_python_fits_a_photograph(size):
    inks = [drawing(seed) for seed in range(4)]
    inks.append(np.pad(np.full((200, 17), 255, np.uint8), ((0, 80), (263, 0))))  # a bar in a corner
    body = "return asked.inks.map((ink) => page.seen(Uint8Array.from(ink), 280, asked.size));"
    fitted = node("live.js", body, inks=[ink.ravel().tolist() for ink in inks], size=size)
    for ink, found in zip(inks, fitted, strict=True):
        rows, columns = (np.flatnonzero((ink > 7).any(axis=axis)) for axis in (1, 0))
        cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
        expected = _centred(_scaled(cut, size * 20 // 28), size)
        assert np.abs(np.reshape(found, (size, size)) - expected.astype(int)).max() <= 1


def test_without_ink_there_is_nothing_to_see():
    assert node("live.js", "return page.seen(new Uint8Array(784), 28);") is None


def test_a_row_of_attention_is_the_one_that_is_pointed_at():
    rng = np.random.default_rng(0)
    weights = rng.random((2, 10, 10)).astype(np.float32)
    map_ = {"shape": [2, 10, 10], "data": weights.ravel().tolist()}
    grid = {"queries": [1, 3], "keys": [1, 3]}
    body = "return asked.points.map((point) => page.row(asked.map, asked.grid, 1, point));"
    points = [None, [0.4, 0.9], [0.999, 0.0]]
    found = node("live.js", body, map=map_, grid=grid, points=points)
    np.testing.assert_allclose(found, [weights[1, 0, 1:], weights[1, 1 + 7, 1:], weights[1, 1 + 2, 1:]], rtol=1e-6)
    no_class = {"queries": [0, 3], "keys": [0, 3]}
    (mean,) = node(
        "live.js", body, map=map_ | {"shape": [2, 9, 9], "data": weights[:, 1:, 1:].ravel().tolist()}, grid=no_class,
        points=[None],
    )  # fmt: skip
    np.testing.assert_allclose(mean, weights[1, 1:, 1:].mean(axis=0), rtol=1e-5)


# ---- the file --------------------------------------------------------------------------------------------------------


def test_the_command_writes_one_file_of_less_than_a_megabyte(tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["live", "--export", str(page)]) == 0
    assert f"wrote {page}: {page.stat().st_size / 1000:,.0f} kB" in capsys.readouterr().out
    assert page.stat().st_size <= 1_000_000 and list(tmp_path.iterdir()) == [page]


def test_the_page_asks_for_nothing(model):
    page = exported_page(model)
    assert "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.search("^export ", page, re.MULTILINE) and not re.search("^import ", page, re.MULTILINE)
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_a_class_s_name_is_no_tag():
    model = small()
    model.class_names = ("</script><script>alert(1)</script>", "b", "c")
    page = exported_page(model)
    assert "<script>alert" not in page and "\\u003c/script>\\u003cscript>alert(1)" in page
    assert inside(model)["digits"] == {"pixels": "", "labels": []}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pool": "gap"}, "whose pool is 'cls', and this one's is 'gap'"),
        ({"position": "none"}, "whose position is '1d'"),
        ({"registers": 1}, "whose registers is 0"),
        ({"mlp": "swiglu"}, "whose mlp is 'gelu'"),
        ({"qkv_bias": False}, "whose qkv_bias is True"),
        ({"layer_scale": 0.1}, "whose layer_scale is None"),
        ({"distilled": True}, "whose distilled is False"),
        ({"representation_size": 4}, "whose representation_size is None"),
        ({"patch_size": (3, 4)}, r"square patches, and these are \(3, 4\)"),
    ],
)
def test_another_vit_is_refused_by_what_differs(options, said):
    with pytest.raises(ValueError, match=said):
        check_plain(small(**options))


def test_the_family_is_refused_by_name(tmp_path, capsys):
    config, _ = recipe("pvt", None, "digits")
    family.PVT(config, seed=0).save(tmp_path / "pvt.npz")
    assert main(["live", "--model", str(tmp_path / "pvt.npz"), "--export", str(tmp_path / "page.html")]) == 2
    assert "--export takes a plain ViT, and this is a PVT" in capsys.readouterr().err
    assert not (tmp_path / "page.html").exists()


def test_a_port_and_a_file_do_not_go_together(capsys):
    assert main(["live", "--port", "0", "--export", "page.html"]) == 2
    assert "leave one of them out" in capsys.readouterr().err


def test_the_page_is_small():
    assert sum((ASSETS / name).stat().st_size for name in ("live.js", "live.css")) <= 60_000
    assert len((ASSETS / "forward.js").read_text(encoding="utf-8").splitlines()) <= 200
