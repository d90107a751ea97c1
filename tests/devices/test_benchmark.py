"""benchmarks/gpu.py waits for a GPU; here it runs from end to end without one, on small sizes and made-up times; its
clock is tried on a GPU that is made of two numbers: when Python has got to, and until when the GPU is busy.
"""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
TASKS = {"layernorm": "LayerNorm", "gelu": "GELU", "deformable_attention": "deformable", "roi_align": "RoIAlign"}
MODULES = ("gpu", "gpu_table", "gpu_clock")


@pytest.fixture
def benchmark(fake_cuda, monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module("gpu")
    module.GELU, module.LAYERNORM, module.ATTENTION, module.CROSS = (
        [1000],
        [(34, 48)],
        [(2, 2, 17, 8)],
        [(2, 2, 3, 9, 12)],
    )
    module.DEFORMABLE, module.ROI_ALIGN = [(1, 2, 4, 2, ((3, 5), (2, 2)))], [(2, 3, 4, 3, (20, 30))]
    module.EPOCH_IMAGES, module.STEPS, module.gpu_table.torch = 256, 2, None
    clock = module.gpu_clock
    clock.ROUNDS, clock.CALLS, clock.PRODUCT = 2, 2, 16
    yield module
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name)


def test_it_prints_a_line_for_every_version(benchmark, capsys):
    benchmark.main()
    lines = capsys.readouterr().out.splitlines()
    cross = {"cross-attention_forward": (1,), "cross-attention_backward": (1,)}
    for ladder, versions in (benchmark.gpu_table.VERSIONS | cross).items():
        name, _, direction = ladder.rpartition("_")
        names = {
            "layernorm": "LayerNorm",
            "gelu": "GELU",
            "deformable_attention": "deformable",
            "roi_align": "RoIAlign",
        }
        task = f"{names.get(name, name)} {direction}"
        for version in versions:
            assert sum(line.startswith(task) and f"version {version} " in line for line in lines) == 1, (task, version)
    assert sum("unfused CuPy" in line for line in lines) == 12
    best = lines[lines.index("the best version of each:") + 1 :]
    assert sum(" of the limit" in line for line in best) == 12
    assert sum(line.startswith("an epoch of 256 images") for line in lines) == 2


def test_a_kernel_that_is_wrong_is_not_timed(benchmark, monkeypatch, capsys):
    kernels = benchmark.get_device("cuda").ops
    right = kernels.layernorm_forward
    monkeypatch.setattr(kernels, "layernorm_forward", lambda *a: (right(*a)[0] * 1.001, right(*a)[1]))
    with pytest.raises(SystemExit, match=r"LayerNorm forward .*version 1 is wrong"):
        benchmark.main(["layernorm"])
    assert "version" not in capsys.readouterr().out


# ---- the clock -------------------------------------------------------------------------------------------------------


class Gpu:
    """Work is queued: it takes `host` seconds to ask for it, and begins when all before it is done."""

    def __init__(self) -> None:
        self.now = self.busy_until = 0.0
        self.products = 0

    def work(self, gpu, host=1e-6):
        self.now += host
        self.busy_until = max(self.busy_until, self.now) + gpu

    def wait(self, until):
        self.now = max(self.now, until)

    def __matmul__(self, other):
        self.products += 1
        self.work(2.7e-3)

    def event(gpu):
        class Event:
            def record(self):
                self.at = max(gpu.now, gpu.busy_until)

            def synchronize(self):
                gpu.wait(self.at)

        return Event()


@pytest.fixture
def gpu(benchmark, monkeypatch):
    gpu, clock = Gpu(), benchmark.gpu_clock
    cuda = SimpleNamespace(Event=gpu.event, get_elapsed_time=lambda start, end: 1e3 * (end.at - start.at))
    monkeypatch.setattr(clock, "cupy", SimpleNamespace(cuda=cuda, ones=lambda *_: gpu, float32=np.float32))
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: gpu.now))
    clock.ROUNDS, clock.CALLS = 10, 50
    clock.product_seconds()
    gpu.products = 0
    return gpu


@pytest.mark.parametrize("takes", [2e-6, 30e-6, 400e-6, 10e-3, 0.3])
def test_pythons_time_does_not_count(benchmark, gpu, takes):
    """Whether it asks faster than the GPU works, or takes 20 times as long."""
    assert benchmark.gpu_clock.seconds(lambda: gpu.work(takes, host=40e-6)) == pytest.approx(takes, rel=1e-6)
    assert gpu.products <= 20, "two products are longer than Python takes to ask for 50 calls"
    assert gpu.now < 0.5 + 15 * takes, "long calls are made less often"


def test_who_waits_for_the_gpu_is_not_given_hundreds_of_products(benchmark, gpu):
    def waits():
        gpu.work(3e-3)
        gpu.wait(gpu.busy_until)

    took = benchmark.gpu_clock.seconds(waits)
    assert took == pytest.approx(3e-3, rel=0.01)
    assert gpu.products <= 10 * benchmark.gpu_clock.AHEAD


def test_arrays_take_turns(benchmark, gpu):
    order = []
    benchmark.gpu_clock.seconds(*(lambda i=i: (order.append(i), gpu.work(1e-5)) for i in range(3)))
    assert order == [i % 3 for i in range(len(order))] and len(order) > 500


def test_so_many_arrays_that_the_cache_does_not_hold_them(benchmark, fake_cuda):
    """4 KB of cache; what a call moves, times the turns, is more than four times that."""
    x = fake_cuda.zeros(100, np.float32)
    arrays = benchmark.sets(800, x)
    assert len(arrays) == 21 and len({array.data.ptr for (array,) in arrays}) == 21
    assert len(benchmark.sets(10**6, x)) == 1
