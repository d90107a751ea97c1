"""benchmarks/gpu.py waits for a GPU; here it runs from end to end without one, on small sizes and made-up times."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.fixture
def benchmark(fake_cuda):
    spec = importlib.util.spec_from_file_location("benchmark_gpu", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.LAYERNORM, module.ATTENTION = [(34, 48)], [(2, 2, 17, 12)]
    module.ROUNDS, module.CALLS = 2, 2
    module.COPIED, module.PRODUCT, module.EPOCH_IMAGES, module.has_torch = 2**10, 16, 256, False
    module.GELU = 1000
    return module


def test_it_prints_a_line_for_every_version(benchmark, capsys):
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    for ladder, versions in benchmark.VERSIONS.items():
        name, _, direction = ladder.partition("_")
        task = {"layernorm": "LayerNorm", "gelu": "GELU"}.get(name, name) + f" {direction}"
        for version in versions:
            assert sum(line.startswith(task) and f"version {version} " in line for line in lines) == 1, (task, version)
    assert sum("unfused CuPy" in line for line in lines) == 6
    assert sum(line.startswith("an epoch of 256 images") for line in lines) == 2


def test_a_kernel_that_is_wrong_is_not_timed(benchmark, monkeypatch):
    right = benchmark.get_device("cuda").ops.layernorm_forward
    monkeypatch.setattr(benchmark.get_device("cuda").ops, "layernorm_forward", lambda *a: (right(*a)[0] * 1.001, 0))
    with pytest.raises(SystemExit, match=r"LayerNorm forward .* is wrong"):
        benchmark.main()
