"""The kernels on a GPU: each rung of each ladder, against the machine's own limits, unfused CuPy and PyTorch.

    pip install ".[cuda13]" && python benchmarks/gpu.py            (and PyTorch with CUDA, for its columns)

First two ceilings are measured: a copy (GB/s) and a float32 matrix product (TFLOP/s). Then every version of every
kernel is compared with NumPy's float64 numbers, and only then timed, by the GPU's clock: while a product keeps it busy,
Python queues many calls, so that they run one right after the other, and Python's own time does not count. (Unfused
attention reads a number back for its softmax, and so must wait each time: that is in its time.)
"of limit" is the time that the task would take at the ceiling, by the time that it took: for the bytes that must move,
each input read once and each output written once; for attention, for its FLOP. Arrays that fit into the GPU's cache
can pass 100 %. Last, an epoch of training, by the wall clock.
"""

import dataclasses
import functools
import importlib.util
import statistics
import time
from collections.abc import Callable

import cupy
import numpy as np

from minivit import Trainer, ViT, ops
from minivit.devices import get_device
from minivit.devices.launches import LADDERS as VERSIONS
from minivit.devices.workers import worker_pool
from minivit.train.mnist import PRESETS

ROUNDS, CALLS = 10, 50  # of each kernel: rounds that are timed, and calls in a round, at most
GELU = 2**24  # elements
LAYERNORM = [(64 * 197, 192), (64 * 197, 768), (256 * 17, 48)]  # rows, width: ViT-Ti, ViT-B, the digits' model
ATTENTION = [(64, 3, 197, 64), (64, 12, 197, 64), (256, 4, 17, 12)]  # B, H, N, d
EPOCH_IMAGES = 16_384
COPIED, PRODUCT = 2**28, 4096  # bytes that the copy copies; the side of the matrices

torch = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
has_torch = torch is not None and torch.cuda.is_available()


def seconds(run: Callable[[], object]) -> float:
    """A call's median time on the GPU."""
    for _ in range(3):
        run()
    busy = cupy.ones((PRODUCT, PRODUCT), cupy.float32)
    start, end = cupy.cuda.Event(), cupy.cuda.Event()

    def timed(work: Callable[[], object], calls: int, ahead: Callable[[], object] = lambda: None) -> float:
        ahead()
        start.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        return cupy.cuda.get_elapsed_time(start, end) / 1e3 / calls

    began = time.perf_counter()
    timed(run, CALLS)
    queueing = time.perf_counter() - began  # of all calls, at most
    products = 1 + int(queueing / timed(lambda: busy @ busy, 2))

    def keep_busy() -> None:
        for _ in range(products):
            busy @ busy

    return statistics.median(timed(run, CALLS, keep_busy) for _ in range(ROUNDS))


def ceilings() -> tuple[float, float]:
    """Bytes a second that a copy moves (read and written), and FLOP a second of a float32 product."""
    x = cupy.zeros(COPIED // 4, cupy.float32)
    y = cupy.empty_like(x)
    a = cupy.ones((PRODUCT, PRODUCT), cupy.float32)
    copy, product = seconds(lambda: cupy.copyto(y, x)), seconds(lambda: a @ a)
    return 2 * COPIED / copy, 2 * PRODUCT**3 / product


class Table:
    """One line a measurement. limit: the seconds that the task would take at the ceiling."""

    def __init__(self) -> None:
        print(f"{'task':<44}{'way':<16}{'µs':>10}{'GB/s':>9}{'TFLOP/s':>9}{'of limit':>10}")

    def line(self, task: str, way: str, took: float, limit: float, moved: float = 0, flop: float = 0) -> None:
        rates = (f"{moved / took / 1e9:.0f}" if moved else "", f"{flop / took / 1e12:.2f}" if flop else "")
        print(f"{task:<44}{way:<16}{took * 1e6:>10.1f}{rates[0]:>9}{rates[1]:>9}{limit / took:>10.1%}", flush=True)


def compare(got: tuple, expected: tuple, what: str) -> None:
    """Right first, fast second. A NaN is wrong, too."""
    for ours, theirs in zip(got, expected, strict=True):
        if theirs is not None:
            error = np.abs(cupy.asnumpy(ours) - theirs).max() / np.abs(theirs).max()
            if not error <= 1e-4:
                raise SystemExit(f"{what} is wrong: off by {error:.1e} of the largest number")


def layernorm(table: Table, rows: int, width: int, copy: float) -> None:
    kernels = get_device("cuda").ops
    rng = np.random.default_rng(0)
    x, dy = (rng.standard_normal((rows, width), dtype=np.float32) for _ in range(2))
    gamma, beta = (rng.standard_normal(width, dtype=np.float32) for _ in range(2))
    y, cache = ops.layernorm_forward(*(a.astype(np.float64) for a in (x, gamma, beta)))
    expected = {"forward": (y,), "backward": ops.layernorm_backward(dy.astype(np.float64), cache)}
    x, dy, gamma, beta = map(cupy.asarray, (x, dy, gamma, beta))
    moved = {"forward": 4 * (2 * rows * width + 2 * width + 2 * rows), "backward": 4 * (3 * rows * width + 3 * width)}

    def time_both(way: str, space: object, directions: tuple[str, ...] = ("forward", "backward")) -> None:
        _, cache = space.layernorm_forward(x, gamma, beta)
        runs = {
            "forward": lambda: space.layernorm_forward(x, gamma, beta)[:1],
            "backward": lambda: space.layernorm_backward(dy, cache),
        }
        for direction in directions:
            task = f"LayerNorm {direction} {rows} × {width}"
            compare(runs[direction](), expected[direction], f"{task}, {way}")
            table.line(task, way, seconds(runs[direction]), moved[direction] / copy, moved=moved[direction])

    time_both("unfused CuPy", ops)
    for direction in ("forward", "backward"):
        for version in VERSIONS[f"layernorm_{direction}"]:
            kernels.versions[f"layernorm_{direction}"] = version
            time_both(f"version {version}", kernels, (direction,))
        kernels.versions.clear()
    if has_torch:
        theirs = torch_tensors(x, gamma, beta)
        forward = functools.partial(torch.nn.functional.layer_norm, theirs[0], (width,), theirs[1], theirs[2], 1e-6)
        time_torch(table, f"LayerNorm {{}} {rows} × {width}", forward, dy, theirs, moved, copy, "moved")


def attention(table: Table, B: int, H: int, N: int, d: int, product: float) -> None:
    kernels = get_device("cuda").ops
    rng = np.random.default_rng(0)
    qkv, dout = (rng.standard_normal(shape, dtype=np.float32) for shape in ((B, N, 3, H, d), (B, N, H, d)))
    out, cache = ops.attention_forward(*qkv.astype(np.float64).transpose(2, 0, 3, 1, 4))
    dq, dk, dv, _ = ops.attention_backward(dout.astype(np.float64).swapaxes(1, 2), cache)
    expected = {"forward": (out.swapaxes(1, 2),), "backward": (np.stack((dq, dk, dv)).transpose(1, 3, 0, 2, 4),)}
    qkv, dout = cupy.asarray(qkv), cupy.asarray(dout)
    flop = {"forward": 4 * B * H * N * N * d, "backward": 10 * B * H * N * N * d}

    def report(direction: str, way: str, run: Callable[[], tuple]) -> None:
        task = f"attention {direction} B{B} H{H} N{N} d{d}"
        compare(run(), expected[direction], f"{task}, {way}")
        table.line(task, way, seconds(run), flop[direction] / product, flop=flop[direction])

    q, k, v = qkv.transpose(2, 0, 3, 1, 4)
    _, plain = ops.attention_forward(q, k, v)

    def plain_backward() -> tuple:
        grads = ops.attention_backward(dout.swapaxes(1, 2), plain)[:3]
        return (cupy.stack(grads).transpose(1, 3, 0, 2, 4),)

    report("forward", "unfused CuPy", lambda: (ops.attention_forward(q, k, v)[0].swapaxes(1, 2),))
    report("backward", "unfused CuPy", plain_backward)
    for version in VERSIONS["attention_forward"]:
        kernels.versions["attention_forward"] = version
        report("forward", f"version {version}", lambda: kernels.fused_attention_forward(qkv, None)[:1])
    kernels.versions.clear()
    _, fused = kernels.fused_attention_forward(qkv, None)
    for version in VERSIONS["attention_backward"]:
        kernels.versions["attention_backward"] = version
        report("backward", f"version {version}", lambda: kernels.fused_attention_backward(dout, fused)[:1])
    kernels.versions.clear()
    if has_torch:
        theirs = torch_tensors(*(cupy.ascontiguousarray(a) for a in (q, k, v)))
        forward = functools.partial(torch.nn.functional.scaled_dot_product_attention, *theirs)
        upstream = cupy.ascontiguousarray(dout.swapaxes(1, 2))
        time_torch(table, f"attention {{}} B{B} H{H} N{N} d{d}", forward, upstream, theirs, flop, product, "flop")


def gelu(table: Table, n: int, copy: float) -> None:
    kernels = get_device("cuda").ops
    x, dy = (np.random.default_rng(i).standard_normal(n, dtype=np.float32) for i in range(2))
    y, cache = ops.gelu_forward(x.astype(np.float64))
    expected = {"forward": (y,), "backward": (ops.gelu_backward(dy.astype(np.float64), cache),)}
    x, dy = cupy.asarray(x), cupy.asarray(dy)
    moved = {"forward": 8 * n, "backward": 12 * n}
    spaces = [("unfused CuPy", ops, None)]
    spaces += [(f"version {version}", kernels, version) for version in VERSIONS["gelu_forward"]]
    for way, space, version in spaces:
        if version:
            kernels.versions |= {"gelu_forward": version, "gelu_backward": version}
        _, cache = space.gelu_forward(x)
        runs = {
            "forward": lambda space=space: space.gelu_forward(x)[:1],
            "backward": lambda space=space, cache=cache: (space.gelu_backward(dy, cache),),
        }
        for direction, run in runs.items():
            compare(run(), expected[direction], f"GELU {direction}, {way}")
            table.line(f"GELU {direction} {n}", way, seconds(run), moved[direction] / copy, moved=moved[direction])
    kernels.versions.clear()


def torch_tensors(*arrays: cupy.ndarray) -> list:
    return [torch.from_dlpack(array).detach().requires_grad_() for array in arrays]


def time_torch(
    table: Table, task: str, forward: Callable, dout: cupy.ndarray, inputs: list, work: dict, ceiling: float, kind: str
) -> None:
    """PyTorch's own kernels on the same numbers."""
    y, dy = forward(), torch.from_dlpack(dout)
    runs = {
        "forward": forward,
        "backward": lambda: torch.autograd.grad(y, inputs, dy, retain_graph=True),
    }
    for direction, run in runs.items():  # on the default stream, as CuPy's clock is
        amount = work[direction]
        table.line(task.format(direction), "PyTorch", seconds(run), amount / ceiling, **{kind: amount})


def epoch(name: str) -> None:
    """Seconds for an epoch of this preset's model without augmentation: minivit, and PyTorch eager with its weights."""
    model_config, recipe = PRESETS[name]
    recipe = dataclasses.replace(recipe, shift=0, rotation=0, scale=0)
    images = np.random.default_rng(0).random((EPOCH_IMAGES, *model_config.image_shape), dtype=np.float32)
    labels = np.random.default_rng(1).integers(0, model_config.classes, EPOCH_IMAGES)
    model = ViT(model_config, init="fan_in", device="cuda")
    if has_torch:
        from torch_vit import torch_step

        theirs = torch_step(model, recipe, images[: recipe.batch_size], labels[: recipe.batch_size], "cuda")
    trainer = Trainer(model, images, labels, recipe)
    with worker_pool(1) as pool:
        ours = wall_seconds(lambda: trainer.step(pool))
    steps = trainer.steps_per_epoch
    line = f"an epoch of {EPOCH_IMAGES:,} images, {name}: minivit {ours * steps:.2f} s"
    if has_torch:
        torchs = wall_seconds(theirs)
        line += f", PyTorch eager {torchs * steps:.2f} s, ratio {ours / torchs:.2f}"
    print(line, flush=True)


def wall_seconds(step: Callable[[], float]) -> float:
    """A step's median by the wall clock. It ends when its loss has been read, so that nothing is still under way."""
    times = []
    for _ in range(30):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[5:])


def main() -> None:
    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    print(
        f"{device}, CuPy {cupy.__version__}, PyTorch {torch.__version__ if has_torch else 'with CUDA: not installed'}"
    )
    copy, product = ceilings()
    print(f"ceilings: a copy {copy / 1e9:.0f} GB/s, a float32 product {product / 1e12:.2f} TFLOP/s\n")
    table = Table()
    gelu(table, GELU, copy)
    for rows, width in LAYERNORM:
        layernorm(table, rows, width, copy)
    for sizes in ATTENTION:
        attention(table, *sizes, product)
    print()
    for name in ("default", "full"):
        epoch(name)


if __name__ == "__main__":
    get_device("cuda")  # says what is missing
    main()
