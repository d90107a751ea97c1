"""The table of gpu.py: an operation done in several ways, each compared with the right answers, then timed."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import cupy
import gpu_clock
import numpy as np
from gpu_clock import Run, seconds

from minivit.devices import DeviceError, get_device
from minivit.devices.launches import LADDERS as VERSIONS

try:
    import torch
except ImportError:
    torch = None


TF32 = {("attention_forward", 7): 5e-3, ("attention_backward", 5): 5e-3}  # ten bits, as attention_tensor.cu says


@dataclass(frozen=True)
class Task:
    """Its name, the right answers, and its amount: bytes that must move, or FLOP."""

    name: str
    expected: Sequence[np.ndarray]
    moved: int = 0
    flop: int = 0

    def limit(self) -> float:
        """The seconds that it takes at the limit."""
        return self.flop / gpu_clock.product_rate() if self.flop else gpu_clock.copy_seconds(self.moved)


class Pair(NamedTuple):
    """A way to do an operation: forward(*inputs) -> (y, cache) or (y, …), backward(dy, cache) -> gradients."""

    forward: Callable[..., tuple]
    backward: Callable[[object, object], object]


class Table:
    """One line a task and way."""

    def __init__(self) -> None:
        self._of_torch: dict[str, float] = {}
        self._best: dict[str, tuple[float, str]] = {}
        print(f"{'task':<44}{'way':<14}{'µs':>10}{'GB/s':>8}{'TFLOP/s':>9}{'of limit':>10}{'PyTorch':>9}")

    def measure(self, task: Task, way: str, runs: Sequence[Run], allowed: float = 1e-4) -> None:
        """Right first, fast second. allowed: how far it may be off, of the largest number."""
        try:
            compare(runs[0](), task, way, allowed)
        except (DeviceError, ValueError) as error:  # this version is not for this GPU, or not for this width
            print(f"{task.name:<44}{way:<14}left out: {error}")
            return
        self.line(task, way, seconds(*runs))

    def line(self, task: Task, way: str, took: float) -> None:
        if way == "PyTorch":
            self._of_torch[task.name] = took
        moved = f"{task.moved / took / 1e9:.0f}" if task.moved else ""
        flop = f"{task.flop / took / 1e12:.2f}" if task.flop else ""
        theirs = f"{self._of_torch[task.name] / took:.2f}" if task.name in self._of_torch else ""
        if way.startswith("version"):
            told = f"{way}, {task.limit() / took:.0%} of the limit" + (f", {theirs} × PyTorch" if theirs else "")
            self._best[task.name] = min(self._best.get(task.name, (took, told)), (took, told))
        cells = f"{took * 1e6:>10.1f}{moved:>8}{flop:>9}{task.limit() / took:>10.1%}{theirs:>9}"
        print(f"{task.name:<44}{way:<14}{cells}", flush=True)

    def in_short(self) -> None:
        """The best version of each task."""
        print("\nthe best version of each:")
        for name, (_, told) in self._best.items():
            print(f"{name:<44}{told}")


def compare(got: object, task: Task, way: str, allowed: float = 1e-4) -> None:
    """Against the right answers. A NaN is wrong, too."""
    for ours, theirs in zip(got if isinstance(got, tuple) else (got,), task.expected, strict=False):
        error = np.abs(cupy.asnumpy(ours) - theirs).max() / np.abs(theirs).max()
        if not error <= allowed:
            raise SystemExit(f"{task.name}, {way} is wrong: off by {error:.1e} of the largest number")


def measure(table: Table, ladder: str, tasks: tuple[Task, Task], arrays: list, plain: Pair, ours: Pair) -> None:
    """Both tasks of an operation: unfused, and by every version of the ladder ("": there is but one).

    arrays: (inputs, dy) for each of the turns.
    """
    caches = {pair: [pair.forward(*inputs)[1] for inputs, _ in arrays] for pair in (plain, ours)}
    for task, direction in zip(tasks, ("forward", "backward"), strict=True):
        name = f"{ladder}_{direction}"
        for number in (None, *VERSIONS.get(name, (1,))):
            pair = ours if number else plain
            if direction == "forward":
                runs = [partial(pair.forward, *inputs) for inputs, _ in arrays]
            else:
                runs = [partial(pair.backward, dy, cache) for (_, dy), cache in zip(arrays, caches[pair], strict=True)]
            with version(name, number) if name in VERSIONS and number else nullcontext():
                way, allowed = f"version {number}" if number else "unfused CuPy", TF32.get((name, number), 1e-4)
                table.measure(task, way, runs, allowed)


@contextmanager
def version(ladder: str, number: int) -> Iterator[None]:
    versions = get_device("cuda").ops.versions
    versions[ladder] = number
    try:
        yield
    finally:
        versions.clear()


def measure_torch(table: Table, tasks: tuple[Task, Task], function: Callable, arrays: list) -> None:
    """PyTorch's own kernels on the same numbers; arrays as in `measure`."""
    if not has_torch():
        return
    theirs = [([torch_tensor(a) for a in inputs], torch.from_dlpack(dy)) for inputs, dy in arrays]
    results = [(function(*inputs), inputs, dy) for inputs, dy in theirs]
    gradients = [partial(torch.autograd.grad, y, inputs, dy, retain_graph=True) for y, inputs, dy in results]
    for task, runs in zip(tasks, ([partial(function, *inputs) for inputs, _ in theirs], gradients), strict=True):
        table.line(task, "PyTorch", seconds(*runs))  # on the default stream, as CuPy's clock is


def has_torch() -> bool:
    return torch is not None and torch.cuda.is_available()


def functional(name: str) -> Callable | None:
    """torch.nn.functional's, where there is PyTorch."""
    return torch and getattr(torch.nn.functional, name)


def sampled_by_torch(maps: Sequence[tuple[int, int]]) -> Callable:
    """Deformable attention in PyTorch: value (B, S, D), locations, weights as minivit.ops takes them -> (B, Q, D)."""

    def function(value: object, locations: object, weights: object) -> object:
        B, Q, H, L, P, _ = locations.shape
        cells = value.reshape(B, -1, H, value.shape[-1] // H).permute(0, 2, 3, 1).flatten(0, 1)  # (B·H, d, S)
        places = (2 * locations - 1).transpose(1, 2).flatten(0, 1)  # (B·H, Q, L, P, 2), from -1 to 1
        found, start = [], 0
        for level, (height, width) in enumerate(maps):
            part = cells[..., start : start + height * width].unflatten(-1, (height, width))
            found.append(torch.nn.functional.grid_sample(part, places[:, :, level], align_corners=False))
            start += height * width
        rows = torch.stack(found, dim=-2).flatten(-2)  # (B·H, d, Q, L·P)
        shares = weights.transpose(1, 2).reshape(B * H, 1, Q, L * P)
        return (rows * shares).sum(-1).unflatten(0, (B, H)).flatten(1, 2).transpose(1, 2)

    return function


def torch_tensor(array: cupy.ndarray) -> object:
    return torch.from_dlpack(array).detach().requires_grad_()
