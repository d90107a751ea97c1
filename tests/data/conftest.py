"""No test of the data touches the tester's own cache or the network."""

import os

import pytest

from minivit.data import find as find_module


@pytest.fixture(autouse=True)
def nobody_home(monkeypatch, tmp_path):
    """No data folder, an empty cache, and a network that fails the test."""

    def unreachable(url, **_):
        pytest.fail(f"a test touched the network: {url}")

    monkeypatch.delenv("MINIVIT_DATA", raising=False)
    monkeypatch.setenv("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME", str(tmp_path / "caches"))
    monkeypatch.setattr(find_module, "urlopen", unreachable)
