"""`import minivit` is light: NumPy and nothing else. What is heavy loads when it is used."""

import ast
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import minivit

PROBE = """
import json, sys, time
start = time.perf_counter()
import minivit
print(json.dumps([time.perf_counter() - start, sorted(sys.modules)]))
"""


def probe():
    """What `import minivit` takes in a fresh interpreter: its seconds, and the modules that are loaded then."""
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_import_loads_no_module_of_ours_and_nothing_heavy():
    _, loaded = probe()
    assert [name for name in loaded if name.startswith("minivit")] == ["minivit"]
    assert "numpy" in loaded
    assert not {"matplotlib", "PIL", "cupy", "threadpoolctl", "scipy"} & set(loaded)


def test_import_is_fast():
    """NumPy takes 0.1 s of it and minivit a millisecond; the bound leaves room for a busy machine."""
    assert min(probe()[0] for _ in range(5)) < 0.5


def test_every_public_name_is_there_however_often_one_asks():
    """A name that is a submodule's too would be the function at first and the module ever after."""
    for name in minivit.__all__:
        first = getattr(minivit, name)
        for home in ("minivit.model", "minivit.train", "minivit.data", "minivit.gradcheck", "minivit.proof"):
            import_module(home)
        assert getattr(minivit, name) is first, name
        assert name == "__version__" or callable(first) or first.__name__ == f"minivit.{name}"
    assert set(minivit.__all__) <= set(dir(minivit))


def declared():
    """What minivit/__init__.py tells type checkers: names, and the modules they come from; a module comes from ""."""
    tree = ast.parse(Path(minivit.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If) and node.test.id == "TYPE_CHECKING")
    assert all(isinstance(node, ast.ImportFrom) and node.level == 1 for node in block.body)
    return {alias.asname or alias.name: node.module or "" for node in block.body for alias in node.names}


def test_type_checkers_see_what_python_finds():
    found = {name: home for home, names in minivit._HOMES.items() for name in names}
    assert {name: home for name, home in declared().items() if home} == found
    assert sorted([*declared(), "__version__"]) == sorted(minivit.__all__)


def test_every_module_is_there():
    """All but the command line, and what reads and writes files and messages for the others."""
    modules = {module.name for module in iter_modules(minivit.__path__)} - {"__main__", "files", "messages", "terminal"}
    assert {name for name, home in declared().items() if not home} == modules


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(minivit, "transformer")
