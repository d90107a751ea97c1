"""What the README and docs/ say is so: their code runs, their commands and links exist, what they count is counted."""

import ast
import dataclasses
import importlib.util
import io
import re
import shlex
import sys
import tokenize
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import PLANTED

from minivit import ViT, ViTConfig, ops
from minivit.__main__ import main
from minivit.family import MEMBERS, kind
from minivit.layers import Op
from minivit.model import Model
from minivit.model.sizes import SIZES
from minivit.proof import order_one_parameters
from minivit.train import mnist

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
README = PAGES["README.md"]
HOME = {name: ROOT if name == "README.md" else ROOT / "docs" for name in PAGES}


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)


def test_the_readme_is_a_screen_and_a_half():
    assert len(README.splitlines()) <= 135


# ---- code ------------------------------------------------------------------------------------------------------------

EXAMPLES = [
    pytest.param(code, id=f"{name}: {number}")
    for name, page in PAGES.items()
    for number, code in enumerate(blocks(page, "python"))
]


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("code", EXAMPLES)
def test_the_python_examples_run(code, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    config, recipe = mnist.PRESETS["quick"]
    monkeypatch.setitem(mnist.PRESETS, "quick", (config, dataclasses.replace(recipe, epochs=1)))
    exec(code, {})
    assert (tmp_path / "model.npz").exists() == ("model.save(" in code)


def test_there_are_as_many_examples_as_were_written():
    assert len(EXAMPLES) == 10


def written_model():
    """What the README's model defines."""
    (code,) = (code for code in blocks(README, "python") if "def plain_vit" in code)
    page: dict = {}
    exec(code, page)
    return page


def test_the_model_in_the_readme_is_the_library_s():
    """The same parameters in both: the same logits, the same gradients, to rounding in float64."""
    page = written_model()
    P, C, K, D, L, H, M = 4, 3, 5, 12, 3, 2, 18
    config = ViTConfig(
        image_size=(8, 12), patch_size=P, channels=C, classes=K, width=D, depth=L, heads=H, mlp_ratio=M / D
    )
    params = order_one_parameters(config)
    library, written = ViT(config, params=params), Model(page["plain_vit"](6, P, C, K, D, L, H, M), params)
    starts = [{p.name: p for p in model.layers.parameters} for model in (library, written)]
    assert starts[0] == starts[1]
    rng = np.random.default_rng(0)
    images, labels = rng.standard_normal((4, 8, 12, C)), np.array([4, 0, 3, 3])
    (logits, cache), (expected, expected_cache) = written.forward(images), library.forward(images)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-12)
    dlogits = ops.cross_entropy_backward(1.0, ops.cross_entropy_forward(logits, labels)[1])
    grads, dimages = written.backward(dlogits, cache)
    expected, dexpected = library.backward(dlogits, expected_cache)
    np.testing.assert_allclose(dimages, dexpected, rtol=0, atol=1e-12)
    assert grads.keys() == expected.keys()
    for name, grad in grads.items():
        np.testing.assert_allclose(grad, expected[name], rtol=0, atol=1e-12, err_msg=name)
        assert np.abs(grad).max() > 1e-6, name


# ---- commands --------------------------------------------------------------------------------------------------------


def commands():
    """Every command of the pages, in blocks and between backticks: those that && joins are several."""
    for name, page in PAGES.items():
        lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
        prose = re.sub(r"^```.*?^```", "", page, flags=re.DOTALL | re.MULTILINE)
        for line in lines + re.findall(r"`([^`\n]+)`", prose):
            for part in line.split(" && "):
                words = (
                    shlex.split(part, comments=True) if re.match(r"(python3?|pytest|pip|jupyter|bash)\s", part) else []
                )
                if words:
                    yield pytest.param(words, id=f"{name}: {part.partition('  #')[0].strip()}")


COMMANDS = {p.id: p for p in commands()}.values()


def subcommands():
    return sorted({p.values[0][3] for p in COMMANDS if p.values[0][:3] == ["python", "-m", "minivit"]})


@pytest.mark.parametrize("words", COMMANDS)
def test_the_commands_name_what_there_is(words):
    """Files that are run, tests, extras; and options, as far as a parser of ours can say."""
    program, *rest = words
    if rest[:2] == ["-m", "pytest"]:
        program, rest = "pytest", rest[2:]
    if program == "pytest":
        assert [word for word in rest if "/" in word and not (ROOT / word).exists()] == []
        if "-m" in rest:
            markers = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
            assert f'"{rest[rest.index("-m") + 1].removeprefix("not ")}: ' in markers
    elif program == "pip":
        extras = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        for extra in re.findall(r"\w+", ",".join(re.findall(r"\.\[([\w,]+)\]", " ".join(rest)))):
            assert re.search(rf"^{extra} = \[", extras, re.MULTILINE), extra
    elif program == "bash" or (program == "python" and rest[0].endswith(".py")):
        assert (ROOT / rest[0]).is_file()
    elif rest[:2] == ["-m", "minivit"]:
        assert importlib.util.find_spec("minivit.__main__")
    else:
        assert (
            words[:3] in (["python3", "-m", "venv"], ["python", "-X", "importtime"], ["python", "-m", "mpi4py"])
            or program == "jupyter"
        )


@pytest.mark.parametrize("command", subcommands())
def test_the_commands_exist_with_all_their_options(command, capsys):
    with pytest.raises(SystemExit) as ending:
        main([command, "--help"])
    assert ending.value.code == 0
    help_ = capsys.readouterr().out
    written = [p.values[0] for p in COMMANDS if p.values[0][:4] == ["python", "-m", "minivit", command]]
    options = {word for words in written for word in words if word.startswith("--")}
    assert [option for option in options if option not in help_] == []


# ---- links and numbers -----------------------------------------------------------------------------------------------


def anchor(heading):
    """GitHub's: small letters and figures, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", PAGES)
def test_the_links_lead_somewhere(name):
    links = re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)"', PAGES[name])
    assert links
    for file, _, heading in (("".join(link)).partition("#") for link in links):
        target = (HOME[name] / file).resolve() if file else HOME[name] / name
        assert target.exists() and target.is_relative_to(ROOT), file
        if heading:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in map(anchor, headings), heading


def test_every_page_is_reached_from_the_readme():
    assert {f"docs/{name}" for name in PAGES} - {"docs/README.md"} <= set(re.findall(r"\]\(([^)#]+)", README))


def count(source):
    """Lines of code, which are neither blank, comment nor docstring; and lines that are not blank."""
    code: set[int] = set()
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            code |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(code), sum(bool(line.strip()) for line in source.splitlines())


def test_what_counts_as_code():
    assert count('"""What.\n\nThis is.\n"""\n\nx = """a\n\nb"""  # three lines\n# and a comment\n') == (3, 6)


def test_the_lines_of_the_reading_path_are_counted():
    rows = [row for row in README.splitlines() if re.match(r"\| \d+ \|", row)]
    assert [row[2] for row in rows] == list("12345678")
    total = [0, 0]
    for row in rows:
        files = re.findall(r"\(([^)]+\.py)\)", row)
        counts = [count((ROOT / file).read_text(encoding="utf-8")) for file in files]
        code, words = map(sum, zip(*counts, strict=True))
        assert row.endswith(f"| {code} | {words} |"), f"{code} lines of code, {words} with words: {row}"
        total = [total[0] + code, total[1] + words]
    assert f"{total[0]:,} lines of code, {total[1]:,} with their docstrings" in README, total
    assert total[0] <= 900 and total[1] <= 1100


def test_every_operation_of_the_plain_model_is_on_the_reading_path():
    """And what these import, but for erf, a formula that NumPy lacks."""
    path = {(ROOT / file).resolve() for file in re.findall(r"\((minivit/[^)]+\.py)\)", README)}

    def operations(layer):
        return {layer.op} if isinstance(layer, Op) else set().union(*map(operations, layer.parts))

    names = operations(written_model()["plain_vit"](4, 4, 3, 10, 8, 1, 2, 16)) | {"cross_entropy"}
    needed = {Path(getattr(ops, f"{name}_forward").__code__.co_filename).resolve() for name in names}
    looked: set[Path] = set()
    while files := needed - looked:
        looked |= files
        found = " ".join(file.read_text(encoding="utf-8") for file in files)
        needed |= {ROOT / "minivit" / "ops" / f"{name}.py" for name in re.findall(r"from \.(\w+) import", found)}
    needed -= {ROOT / "minivit" / "ops" / "erf.py"}
    assert len(needed) > 10 and needed <= path


def test_planted_mistakes_are_counted(monkeypatch):
    for folder in ("devices", "emulator"):
        monkeypatch.syspath_prepend(ROOT / "tests" / folder)
    import cross_attention_mistakes as cross
    import deformable_mistakes as deformable
    import kernel_mistakes as kernels
    import layernorm_narrow_mistakes as narrow
    import roi_align_mistakes as regions
    import rungs_mistakes as rungs
    import zoo_mistakes as zoo

    planted = len(PLANTED)
    named = [zoo.MISTAKES, zoo.SLOW]
    files, kinds = (kernels, cross, deformable, narrow, regions, rungs), ("MISTAKES", "LAUNCHED_WRONGLY", "SLOW")
    named += [getattr(of, kind) for of in files for kind in kinds]
    for page in (README, PAGES["proof.md"]):
        for number in (planted, sum(map(len, named))):
            assert f"{number} mistakes" in page or f"{number} planted mistakes" in page, number
            assert f"| {number} of {number} |" in page, number


def test_models_and_sizes_are_counted(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tests" / "weights")
    from test_weights_parity import FILES, VARIANTS

    proof, models = len(FILES) + len(VARIANTS), len(SIZES)
    members = {sys.modules[kind(name).Config.__module__] for name in MEMBERS if name != "ViT"}
    others = sum(len(module.SIZES) for module in members)
    assert f"{proof} small models" in README and f"({proof} small models)" in PAGES["proof.md"]
    assert f"| {models} published sizes of ViTs and {others} of the family" in PAGES["proof.md"]
    assert f"knows {models} of the published" in PAGES["models.md"]


def test_the_strip_of_chapters_is_light_and_whole():
    chapters = sorted(path.stem for path in (ROOT / "course" / "pictures").glob("*.png"))
    with Image.open(ROOT / "docs" / "chapters.png") as strip:
        assert strip.text["chapters"].split() == chapters, "python docs/make_chapters.py"
    assert (ROOT / "docs" / "chapters.png").stat().st_size < 200_000
