"""Who checks the comparison with NumPy? test_exported_page.py must notice each of these mistakes in the JavaScript."""

import shutil

import pytest
import test_exported_page
from live_support import ASSETS, require


def maps():
    for options in ({"gelu": "tanh"}, {"norm_eps": 1e-2}):
        test_exported_page.test_maps_lens_and_walk_are_python_s(options, {})


def fitted():
    test_exported_page.test_a_drawing_is_fitted_as_python_fits_a_photograph(28)


# What is wrong, the file, the test that must fail, what stands there, and the mistake.
# fmt: off
MISTAKES = [
    ("ε is outside the root", "forward.js", maps, "1 / Math.sqrt(variance + eps)", "1 / (Math.sqrt(variance) + eps)"),
    ("GELU is always exact", "forward.js", maps, 'kind === "tanh" ? tanh', "false ? tanh"),
    ("positions are added twice", "forward.js", maps, "sum(z, { data: p.pos_embed })",
     "sum(sum(z, { data: p.pos_embed }), { data: p.pos_embed })"),
    ("what four does not divide is left out", "forward.js", maps, "for (; i < I; i++) //", "for (; false; i++) //"),
    ("the keys are the queries", "forward.js", maps, "const k = key * 3 * D + D + head * d",
     "const k = key * 3 * D + head * d"),
    ("the class token stands last", "forward.js", maps, "z.data.set(patches.data, z.columns);",
     "z.data.set(patches.data); z.data.set(p.cls_token, patches.data.length);"),
    ("the ink's box is laid in the middle", "live.js", fitted, "even(size / 2 - sum / mass)",
     "even((size - length) / 2)"),
    ("nothing is averaged when it shrinks", "live.js", fitted, "const wide = Math.max(scale, 1);", "const wide = 1;"),
    ("the row of attention is a column", "live.js",
     test_exported_page.test_a_row_of_attention_is_the_one_that_is_pointed_at,
     "data[start + r * width + keys[0] + i]", "data[start + (keys[0] + i) * width + r]"),
]
# fmt: on


@pytest.mark.parametrize(("what", "file", "caught_by", "right", "wrong"), MISTAKES, ids=[one[0] for one in MISTAKES])
def test_a_mistake_is_noticed(what, file, caught_by, right, wrong, tmp_path, monkeypatch):
    require(test_exported_page.NODE, "Node.js")
    shutil.copytree(ASSETS, tmp_path, dirs_exist_ok=True)
    text = (tmp_path / file).read_text(encoding="utf-8")
    assert text.count(right) == 1
    (tmp_path / file).write_text(text.replace(right, wrong), encoding="utf-8")
    monkeypatch.setattr(test_exported_page, "ASSETS", tmp_path)
    with pytest.raises(AssertionError):
        caught_by()
