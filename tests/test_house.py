"""The house: who may know whom, no circle, no long file, few that know a parameter by its name."""

import ast
import importlib.util
from functools import cache
from pathlib import Path

import pytest

from minivit.model import parameter_shapes
from minivit.proof import CONFIGS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "minivit"
FILES = sorted(path for path in PACKAGE.rglob("*.py"))

# What each room imports of the others, beside itself. The command line and minivit/__init__.py may know everybody.
WALLS = {
    "ops": set(),
    "layers": set(),
    "messages": set(),
    "files": {"messages"},
    "terminal": {"files", "messages"},
    "gradcheck": set(),
    "emulator": {"files", "messages", "terminal"},
    "data": {"files", "messages"},
    "devices": {"ops", "emulator", "messages"},
    "model": {"ops", "layers", "devices", "files", "messages"},
    "family": {"ops", "layers", "model", "messages"},
    "train": {"ops", "layers", "devices", "files", "messages", "terminal", "model", "family", "data", "inspect"},
    "weights": {"ops", "layers", "files", "messages", "model", "family", "data"},
    "inspect": {"ops", "layers", "devices", "files", "messages", "model"},
    "draw": {"emulator", "model", "inspect"},
    "check": {"gradcheck", "messages"},
    "live": {"data", "family", "files", "inspect", "layers", "messages", "model", "ops", "train"},
    "proof": {"messages", "gradcheck", "ops", "layers", "model", "family"},
}


@cache
def imports(path):
    """The files of minivit that a file imports, also within functions; an import of a package's name is of its file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("minivit")):
            base = path.parents[node.level - 1] if node.level else ROOT
            parts = (node.module or "").split(".") if node.module else []
            folder = base.joinpath(*parts)
            for name in node.names:
                places = (folder / f"{name.name}.py", folder / name.name / "__init__.py")
                places += (folder.with_suffix(".py"), folder / "__init__.py")
                found |= set([place for place in places if place.is_file()][:1])
    return found - {path}


def room(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def test_no_circle():
    done, way = set(), []

    def visit(path):
        assert path not in way, " -> ".join(str(p.relative_to(ROOT)) for p in [*way[way.index(path) :], path])
        if path not in done:
            way.append(path)
            for other in imports(path):
                visit(other)
            done.add(way.pop())

    for path in FILES:
        visit(path)


@pytest.mark.parametrize("name", WALLS)
def test_the_walls(name):
    known = {room(other) for path in FILES if room(path) == name for other in imports(path)}
    assert known - {name} == WALLS[name]


def test_every_room_has_walls():
    assert {room(path) for path in FILES} - {"__init__", "__main__"} == WALLS.keys()


@pytest.mark.parametrize("folder", ["minivit", "benchmarks", "tests", "kernels", "examples"])
def test_no_long_file(folder):
    kinds = {".py", ".cu", ".cuh", ".cpp", ".h"}
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in (ROOT / folder).rglob("*")
        if path.suffix in kinds
    }
    assert not {name: lines for name, lines in lengths.items() if lines > 300}


def test_no_long_line_in_a_kernel():
    """Ruff looks after the Python. A launch, which the emulator reads, has one line, however long."""
    for path in sorted((ROOT / "kernels").iterdir()):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert len(line) <= 120 or line.startswith("// launch: "), f"{path.name}:{number}"


def test_few_files_know_a_parameter_by_its_name():
    """In model/ and layers/: a word that only parameters' names have, in a string."""
    names = {name for config in CONFIGS.values() for name in parameter_shapes(config)}
    words = {word for name in names for word in name.split(".") if not word.isdigit()}
    words -= {"weight", "bias", "row", "column", "stem", "mlp"}  # words of others, too

    def knows(path):
        texts = [n.value for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Constant)]
        texts = [text.strip(".") for text in texts if isinstance(text, str) and " " not in text]
        return any(words & set(text.split(".")) for text in texts)

    knowing = {path.name for path in FILES if room(path) in ("model", "layers") and knows(path)}
    assert knowing <= {"vit.py", "variants.py", "resnet.py", "parts.py", "resolution.py"}


@pytest.mark.parametrize("path", sorted((ROOT / "benchmarks").rglob("*.py")), ids=lambda path: path.name)
def test_a_benchmark_imports_what_there_is(path):
    """They are not run here (most want PyTorch), and a name that has moved would be noticed too late."""
    tree = ast.parse(path.read_text("utf-8"))
    tried = [inner for node in ast.walk(tree) if isinstance(node, ast.Try) for inner in ast.walk(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("minivit") and node not in tried:
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name) or importlib.util.find_spec(f"{node.module}.{name.name}")
