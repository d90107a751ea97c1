"""What is cheap and what is dear: the time of a training step, and PVT's attention with and without reduction.

    python benchmarks/family/costs.py

Steps: of 50 digits, every classifier in turns in one process; CPU milliseconds, the median of the turns, and as ratios
to the ViT's. Attention: one layer of PVT's first stage (version 2, 64 numbers a token, one head) on maps of 8 x 8 to
56 x 56 tokens, whose keys and values are each made of R x R tokens: multiply-adds counted, and forward and backward
timed. Rows go to results/family/costs.jsonl; delete it to measure anew.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
from classifiers import NAMES, PLAIN, Alone, build, configuration, flops, multiplications
from inductive_bias import BATCH, split
from rows import RESULTS, Rows

from minivit import count_parameters
from minivit.devices.memory import keep_freed_memory
from minivit.family import PVT, PVTConfig
from minivit.family.pvt import reduced_attention
from minivit.train import TrainConfig, Trainer

FILE = RESULTS / "costs.jsonl"
TURNS = 7
SIDES, REDUCTIONS = (32, 64, 128, 224), (1, 2, 4, 8)


def milliseconds(function: Callable[[], object]) -> float:
    """CPU time of a call."""
    started = time.process_time()
    function()
    return 1e3 * (time.process_time() - started)


def steps(rows: Rows, names: list[str], turns: int = TURNS) -> None:
    """A row for each classifier, unless they are there."""
    if rows.select(kind="step"):
        return
    images, labels = split("digits").train
    how = TrainConfig(batch_size=BATCH, shard_size=BATCH, **PLAIN)
    trainers = {name: Trainer(build(configuration(name), 0), images, labels, how) for name in names}
    for trainer in trainers.values():
        trainer.step(Alone())  # the first one allocates
    times: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(turns):
        for name, trainer in trainers.items():
            times[name].append(milliseconds(lambda trainer=trainer: trainer.step(Alone())))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, trainer in trainers.items():
        rows.add(
            {
                "kind": "step",
                "architecture": name,
                "batch_size": BATCH,
                "milliseconds": round(medians[name], 2),
                "ratio_to_vit": round(medians[name] / medians["vit"], 2),
                "parameters": count_parameters(trainer.model.config),
                "flops": flops(trainer.model),
            }
        )


def attention(rows: Rows, side: int, reduction: int, turns: int = 3) -> None:
    """A row for one size of image and one R, unless it is there."""
    config = PVTConfig(
        image_size=side, classes=0, widths=(64,), depths=(1,), heads=(1,), strides=(4,), patch_sizes=(7,),
        reductions=(reduction,), mlp_ratios=(1,),
    )  # fmt: skip
    tokens = config.tokens
    key = {"kind": "attention", "tokens": tokens, "reduction": reduction}
    if rows.select(**key):
        return
    model = PVT(config, init="fan_in")
    layer = reduced_attention(config, config.stages[0], "stages.0.blocks.0.attn")
    x = np.random.default_rng(0).standard_normal((1, tokens, 64)).astype(model.dtype)

    def there_and_back() -> None:
        y, cache = layer.forward(model.device.ops, model.arrays(model.layers), x)
        layer.backward(model.device.ops, y, cache)

    there_and_back()
    times = [milliseconds(there_and_back) for _ in range(turns)]
    count = multiplications(model, layer, x)
    rows.add(
        key
        | {
            "keys": tokens // reduction**2,
            "multiplications_attention": count["attention"],
            "multiplications_all": sum(count.values()),
            "milliseconds": round(statistics.median(times), 2),
        }
    )


if __name__ == "__main__":
    keep_freed_memory()
    rows = Rows(FILE)
    steps(rows, list(NAMES))
    for side in SIDES:
        for reduction in REDUCTIONS:
            attention(rows, side, reduction)
