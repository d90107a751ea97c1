"""The kernels on a GPU: each rung of each ladder, against the machine's own limits, unfused CuPy and PyTorch.

    pip install ".[cuda13]" && python benchmarks/gpu.py            (and PyTorch with CUDA, for its columns)
    python benchmarks/gpu.py attention cross                       (some of GROUPS below)

Every version of every kernel is compared with NumPy's float64 numbers, and only then timed, by the GPU's clock, with
arrays that take turns, so that none is found in the cache: gpu_clock.py. Matrix products are float32 on both sides, not
TF32, but in the versions of attention that are that. "of limit" is the time that the task would take at the limit, by
the time that it took: that of a copy which moves the bytes that must move, each input read once and each output written
once (of RoIAlign's maps, the places that a box looks at); for attention, that of its FLOP at the rate of a large
product. "PyTorch" is PyTorch's time by this one's: above 1, this one is faster. Last, an epoch of training, by the wall
clock.
"""

import dataclasses
import statistics
import sys
import time
from collections.abc import Callable, Sequence

import cupy
import gpu_clock
import gpu_table
import numpy as np
from gpu_clock import sets
from gpu_table import Pair, Table, Task, measure, measure_torch

from minivit import Trainer, ViT, ops
from minivit.devices import get_device
from minivit.devices.workers import worker_pool
from minivit.train.mnist import PRESETS

GELU = [2**24]  # elements
LAYERNORM = [(64 * 197, 192), (64 * 197, 768), (256 * 17, 48)]  # rows, width: ViT-Ti, ViT-B, the digits' model
ATTENTION = [(64, 3, 197, 64), (64, 12, 197, 64), (256, 4, 17, 12)]  # B, H, N, d
CROSS = [(64, 12, 1, 197, 64), (8, 8, 100, 850, 32)]  # B, H, Nq, Nk, d: ViT-B's last block; DETR's decoder
DEFORMABLE = [(2, 8, 32, 4, ((50, 67), (25, 34), (13, 17), (7, 9)))]  # B, H, d, P, maps: Deformable DETR's encoder
ROI_ALIGN = [(2, 100, 256, 7, (400, 536))]  # B, boxes, channels, bins a side, pixels: a head of Sparse R-CNN
EPOCH_IMAGES, STEPS = 16_384, 30  # of which so many steps are timed
GROUPS = ("gelu", "layernorm", "attention", "cross", "deformable", "roi_align", "epoch")


def normal(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def gelu(table: Table, n: int) -> None:
    x, dy = normal(0, n), normal(1, n)
    y, cache = ops.gelu_forward(x.astype(np.float64))
    dx = ops.gelu_backward(dy.astype(np.float64), cache)
    tasks = Task(f"GELU forward {n}", (y,), moved=8 * n), Task(f"GELU backward {n}", (dx,), moved=12 * n)
    arrays = [((x,), dy) for x, dy in sets(8 * n, cupy.asarray(x), cupy.asarray(dy))]
    measure_torch(table, tasks, gpu_table.functional("gelu"), arrays)
    measure(table, "gelu", tasks, arrays, *(Pair(o.gelu_forward, o.gelu_backward) for o in both()))


def layernorm(table: Table, rows: int, width: int) -> None:
    x, dy, gamma, beta = normal(0, rows, width), normal(1, rows, width), normal(2, width), normal(3, width)
    y, cache = ops.layernorm_forward(*(a.astype(np.float64) for a in (x, gamma, beta)))
    gradients = ops.layernorm_backward(dy.astype(np.float64), cache)
    moved = 4 * (2 * rows * width + 2 * width + 2 * rows), 4 * (3 * rows * width + 3 * width)
    tasks = (
        Task(f"LayerNorm forward {rows} × {width}", (y,), moved=moved[0]),
        Task(f"LayerNorm backward {rows} × {width}", gradients, moved=moved[1]),
    )
    x, dy, gamma, beta = map(cupy.asarray, (x, dy, gamma, beta))
    arrays = [((x, gamma, beta), dy) for x, dy in sets(moved[0], x, dy)]

    def theirs(x: object, gamma: object, beta: object) -> object:
        return gpu_table.functional("layer_norm")(x, (width,), gamma, beta, 1e-6)

    measure_torch(table, tasks, theirs, arrays)
    measure(table, "layernorm", tasks, arrays, *(Pair(o.layernorm_forward, o.layernorm_backward) for o in both()))


def attention(table: Table, B: int, H: int, N: int, d: int) -> None:
    qkv, dout = normal(0, B, N, 3, H, d), normal(1, B, N, H, d)

    def forward(qkv: object) -> tuple:
        out, cache = ops.attention_forward(*qkv.transpose(2, 0, 3, 1, 4))
        return out.swapaxes(1, 2), cache

    def backward(dout: object, cache: tuple) -> object:
        gradients = ops.attention_backward(dout.swapaxes(1, 2), cache)[:3]
        return np.stack(gradients).transpose(1, 3, 0, 2, 4)

    out, cache = forward(qkv.astype(np.float64))
    dqkv, size = backward(dout.astype(np.float64), cache), f"B{B} H{H} N{N} d{d}"
    tasks = (
        Task(f"attention forward {size}", (out,), flop=4 * B * H * N * N * d),
        Task(f"attention backward {size}", (dqkv,), flop=10 * B * H * N * N * d),
    )
    arrays = sets(4 * (qkv.size + out.size), cupy.asarray(qkv), cupy.asarray(dout))
    theirs = [(heads(*qkv.transpose(2, 0, 1, 3, 4)), heads(dout)[0]) for qkv, dout in arrays]
    measure_torch(table, tasks, gpu_table.functional("scaled_dot_product_attention"), theirs)
    kernels, arrays = get_device("cuda").ops, [((qkv,), dout) for qkv, dout in arrays]
    ours = Pair(lambda qkv: kernels.fused_attention_forward(qkv, None), kernels.fused_attention_backward)
    measure(table, "attention", tasks, arrays, Pair(forward, backward), ours)


def cross_attention(table: Table, B: int, H: int, Nq: int, Nk: int, d: int) -> None:
    q, kv, dout = normal(0, B, Nq, H, d), normal(1, B, Nk, 2, H, d), normal(2, B, Nq, H, d)

    def forward(q: object, kv: object) -> tuple:
        out, cache = ops.attention_forward(q.swapaxes(1, 2), *kv.transpose(2, 0, 3, 1, 4))
        return out.swapaxes(1, 2), cache

    def backward(dout: object, cache: tuple) -> tuple:
        dq, *dkv, _ = ops.attention_backward(dout.swapaxes(1, 2), cache)
        return dq.swapaxes(1, 2), np.stack(dkv).transpose(1, 3, 0, 2, 4)

    out, cache = forward(*(a.astype(np.float64) for a in (q, kv)))
    gradients, size = backward(dout.astype(np.float64), cache), f"B{B} H{H} N{Nq}, {Nk} d{d}"
    tasks = (
        Task(f"cross-attention forward {size}", (out,), flop=4 * B * H * Nq * Nk * d),
        Task(f"cross-attention backward {size}", gradients, flop=10 * B * H * Nq * Nk * d),
    )
    arrays = sets(4 * (q.size + kv.size + out.size), *map(cupy.asarray, (q, kv, dout)))
    theirs = [(heads(q, *kv.transpose(2, 0, 1, 3, 4)), heads(dout)[0]) for q, kv, dout in arrays]
    measure_torch(table, tasks, gpu_table.functional("scaled_dot_product_attention"), theirs)
    kernels, arrays = get_device("cuda").ops, [((q, kv), dout) for q, kv, dout in arrays]

    def fused_backward(dout: object, cache: tuple) -> tuple:
        return kernels.fused_cross_attention_backward(dout, cache)[:2]

    ours = Pair(lambda q, kv: kernels.fused_cross_attention_forward(q, kv, None), fused_backward)
    measure(table, "cross_attention", tasks, arrays, Pair(forward, backward), ours)


def deformable_attention(table: Table, B: int, H: int, d: int, P: int, maps: tuple[tuple[int, int], ...]) -> None:
    """Every cell asks, as in an encoder; PyTorch does it by grid_sample, a call a map, as those without a kernel do."""
    S, L = sum(height * width for height, width in maps), len(maps)
    value, dy = normal(0, B, S, H * d), normal(1, B, S, H * d)
    locations, weights = np.abs(normal(2, B, S, H, L, P, 2)) % 1, np.abs(normal(3, B, S, H, L, P)) / (L * P)
    y, cache = ops.deformable_attention_forward(*(a.astype(np.float64) for a in (value, locations, weights)), maps)
    gradients = ops.deformable_attention_backward(dy.astype(np.float64), cache)
    read, size = value.size + locations.size + weights.size, f"B{B} Q{S} H{H} L{L} P{P} d{d}"
    tasks = (
        Task(f"deformable forward {size}", (y,), moved=4 * (read + dy.size)),
        Task(f"deformable backward {size}", gradients, moved=4 * (2 * read + dy.size)),
    )
    arrays = sets(4 * (read + dy.size), *map(cupy.asarray, (value, locations, weights, dy)))
    arrays = [(inputs, dy) for *inputs, dy in arrays]
    measure_torch(table, tasks, gpu_table.sampled_by_torch(maps), arrays)

    def pair(o: object) -> Pair:
        return Pair(lambda *inputs: o.deformable_attention_forward(*inputs, maps), o.deformable_attention_backward)

    measure(table, "deformable_attention", tasks, arrays, *map(pair, both()))


def roi_align(table: Table, B: int, boxes_of: int, channels: int, size: int, pixels: tuple[int, int]) -> None:
    strides = (4, 8, 16, 32)
    shapes = tuple((-(-pixels[0] // stride), -(-pixels[1] // stride)) for stride in strides)
    maps, dy = normal(0, B, sum(h * w for h, w in shapes), channels), normal(1, B, boxes_of, size * size, channels)
    rng = np.random.default_rng(2)
    low = rng.random((B, boxes_of, 2)) * pixels[::-1]
    boxes = np.concatenate((low, low + rng.random((B, boxes_of, 2)) ** 2 * pixels[::-1]), axis=-1).astype(np.float32)
    y, cache = ops.roi_align_forward(maps.astype(np.float64), boxes.astype(np.float64), shapes, size, strides)
    dmaps = ops.roi_align_backward(dy.astype(np.float64), cache)
    seen = int((dmaps != 0).any(axis=-1).sum()) * channels
    what = f"B{B} {boxes_of} boxes {size}×{size} of {channels}"
    tasks = (
        Task(f"RoIAlign forward {what}", (y,), moved=4 * (seen + dy.size + boxes.size)),
        Task(f"RoIAlign backward {what}", (dmaps,), moved=4 * (dmaps.size + dy.size + boxes.size)),
    )
    arrays = sets(4 * (seen + dy.size), *map(cupy.asarray, (maps, boxes, dy)))
    arrays = [(inputs, dy) for *inputs, dy in arrays]

    def pair(o: object) -> Pair:
        return Pair(lambda maps, boxes: o.roi_align_forward(maps, boxes, shapes, size, strides), o.roi_align_backward)

    measure(table, "roi_align", tasks, arrays, *map(pair, both()))


def heads(*arrays: cupy.ndarray) -> list[cupy.ndarray]:
    """(B, N, H, d) -> (B, H, N, d), as PyTorch likes it best."""
    return [cupy.ascontiguousarray(array.swapaxes(1, 2)) for array in arrays]


def both() -> tuple[object, object]:
    """Unfused, and with the kernels inside."""
    return ops, get_device("cuda").ops


def epoch(name: str) -> None:
    """Seconds for an epoch of this preset's model without augmentation: minivit, and PyTorch eager with its weights."""
    model_config, recipe = PRESETS[name]
    recipe = dataclasses.replace(recipe, shift=0, rotation=0, scale=0, elastic=0)
    images = np.random.default_rng(0).random((EPOCH_IMAGES, *model_config.image_shape), dtype=np.float32)
    labels = np.random.default_rng(1).integers(0, model_config.classes, EPOCH_IMAGES)
    model = ViT(model_config, init="fan_in", device="cuda")
    if gpu_table.has_torch():
        from torch_vit import torch_step

        theirs = torch_step(model, recipe, images[: recipe.batch_size], labels[: recipe.batch_size], "cuda")
    trainer = Trainer(model, images, labels, recipe)
    with worker_pool(1) as pool:
        ours = wall_seconds(lambda: trainer.step(pool))
    steps = trainer.steps_per_epoch
    line = f"an epoch of {EPOCH_IMAGES:,} images, {name}: minivit {ours * steps:.2f} s"
    if gpu_table.has_torch():
        torchs = wall_seconds(theirs)
        line += f", PyTorch eager {torchs * steps:.2f} s, {torchs / ours:.2f} of minivit's"
    print(line, flush=True)


def wall_seconds(step: Callable[[], float]) -> float:
    """A step's median by the wall clock. It ends when its loss has been read, so that nothing is still under way."""
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[STEPS // 6 :])


def main(groups: Sequence[str] = GROUPS) -> None:
    device = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    theirs = gpu_table.torch.__version__ if gpu_table.has_torch() else "with CUDA: not installed"
    print(f"{device}, CuPy {cupy.__version__}, PyTorch {theirs}; float32, TF32 off")
    copy, product = 2**28 / gpu_clock.copy_seconds(2**28) / 1e9, gpu_clock.product_rate() / 1e12
    print(f"limits: a copy {copy:.0f} GB/s, a float32 product {product:.2f} TFLOP/s\n")
    table = Table()
    for n in GELU if "gelu" in groups else ():
        gelu(table, n)
    for sizes in LAYERNORM if "layernorm" in groups else ():
        layernorm(table, *sizes)
    for sizes in ATTENTION if "attention" in groups else ():
        attention(table, *sizes)
    for sizes in CROSS if "cross" in groups else ():
        cross_attention(table, *sizes)
    for sizes in DEFORMABLE if "deformable" in groups else ():
        deformable_attention(table, *sizes)
    for sizes in ROI_ALIGN if "roi_align" in groups else ():
        roi_align(table, *sizes)
    table.in_short()
    print()
    for name in ("default", "full") if "epoch" in groups else ():
        epoch(name)


if __name__ == "__main__":
    get_device("cuda")  # says what is missing
    if unknown := set(sys.argv[1:]) - set(GROUPS):
        raise SystemExit(f"{sorted(unknown)[0]!r}: expected some of {' '.join(GROUPS)}")
    main(sys.argv[1:] or GROUPS)
