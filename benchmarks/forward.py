"""A published size's forward in NumPy and in PyTorch eager, side by side, with the same weights.

    python benchmarks/forward.py                            ViT-B/16, one image and eight, float32: seconds and memory
    python benchmarks/forward.py --size ViT-H/14 --batch 1 --numpy-only

A third side makes the model's matrix products and nothing else, in NumPy, on as many threads: no forward in NumPy can
be faster. NumPy's sides keep freed memory, as training does (minivit/devices/memory.py). Each side runs in a process of
its own, so that its peak memory is its own; rounds alternate, and the best of each counts, so that a busy machine slows
all alike.
"""

import argparse
import contextlib
import ctypes
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from minivit import ViT, ViTConfig, count_parameters
from minivit.devices.memory import keep_freed_memory
from minivit.devices.workers import in_shards
from minivit.model.face import SHARD_TOKENS


def measure(size: str, batch: int, side: str) -> None:
    """Child process: build the model, then one forward for each line on standard input; print seconds and peak MB."""
    if side != "torch":
        keep_freed_memory()
    model = ViT(ViTConfig.from_name(size))
    images = np.random.default_rng(0).standard_normal((batch, *model.config.image_shape)).astype(np.float32)
    if side == "torch":
        import torch
        from torch_vit import TorchViT

        theirs, inputs = TorchViT(model).eval(), torch.from_numpy(images)
        del model

        def forward() -> np.ndarray:
            with torch.inference_mode():
                return theirs(inputs).numpy()
    elif side == "products":

        def forward() -> np.ndarray:
            return products(model, images)

    else:

        def forward() -> np.ndarray:
            return model(images)

    forget_peak()
    for _ in sys.stdin:
        start = time.perf_counter()
        logits = forward()
        seconds = time.perf_counter() - start
        result = {"seconds": seconds, "peak": peak_memory(), "logits": np.asarray(logits)[0, :4].tolist()}
        print(json.dumps(result), flush=True)


def products(model: ViT, images: np.ndarray) -> np.ndarray:
    """The products of the model's blocks, with their weights and sizes, in shards as the model's own: all but 1 % of
    its arithmetic. What is multiplied is not what the model would multiply; the time does not depend on it."""
    config, p = model.config, model.params
    N, D, H = config.tokens, config.width, config.heads

    def blocks(shard: np.ndarray) -> np.ndarray:
        B = len(shard)
        x = np.full((B * N, D), 1e-3, np.float32)
        for i in range(config.depth):
            q, k, v = (x @ p[f"blocks.{i}.attn.qkv.weight"]).reshape(B, N, 3, H, D // H).transpose(2, 0, 3, 1, 4)
            out = q @ k.swapaxes(-1, -2) @ v
            x @ p[f"blocks.{i}.attn.proj.weight"]
            x @ p[f"blocks.{i}.mlp.fc1.weight"] @ p[f"blocks.{i}.mlp.fc2.weight"]
        return out[:, 0, 0]

    return in_shards(model.device, blocks, images, max(1, SHARD_TOKENS // N), None)


def forget_peak() -> None:
    """Linux can start its record of the peak anew: what building the model took, and was freed, does not count."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory() -> int:
    """The most bytes of memory that this process held."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def compare(
    size: str, batch: int, sides: list[str], rounds: int, threads: int | None
) -> dict[str, tuple[float, float]]:
    """Best seconds and peak GB of each side."""
    command = [sys.executable, __file__, "--size", size, "--batch", str(batch), "--child"]
    names = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS") if threads else ()
    environment = os.environ | {name: str(threads) for name in names}
    children = {
        side: subprocess.Popen(
            [*command, side], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        for side in sides
    }
    if threads:  # minivit's own threads are as many as the cores that it may use
        for child in children.values():
            os.sched_setaffinity(child.pid, sorted(os.sched_getaffinity(0))[:threads])
    results: dict[str, list[dict]] = {side: [] for side in sides}
    for _ in range(rounds + 1):
        for side, child in children.items():
            child.stdin.write("go\n")
            child.stdin.flush()
            results[side].append(json.loads(child.stdout.readline()))
    for child in children.values():
        child.stdin.close()
        child.wait()
    logits = [result[-1]["logits"] for side, result in results.items() if side != "products"]
    np.testing.assert_allclose(logits[0], logits[-1], atol=1e-4)
    return {
        side: (min(r["seconds"] for r in result[1:]), result[-1]["peak"] / 1e9)  # the first round warms up
        for side, result in results.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="ViT-B/16")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, help="and cores, on both sides (Linux); their own choice if not given")
    parser.add_argument("--numpy-only", action="store_true")
    parser.add_argument("--child", choices=("numpy", "products", "torch"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        measure(args.size, args.batch[0], args.child)
        return
    parameters = count_parameters(ViTConfig.from_name(args.size))
    print(f"{args.size}, {parameters:,} parameters, {4 * parameters / 1e9:.2f} GB in float32")
    for batch in args.batch:
        sides = ["numpy", "products"] if args.numpy_only else ["numpy", "products", "torch"]
        found = compare(args.size, batch, sides, args.rounds, args.threads)
        text = ", ".join(f"{side} {seconds:.3f} s, peak {peak:.2f} GB" for side, (seconds, peak) in found.items())
        print(f"B = {batch}: {text}")
        if "torch" in found:
            ours, alone = (found[side][0] / found["torch"][0] for side in ("numpy", "products"))
            print(
                f"       PyTorch's time: minivit takes {ours:.2f} times as long, its products alone {alone:.2f} times"
            )


if __name__ == "__main__":
    main()
