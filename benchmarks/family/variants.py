"""What a part is worth: Swin without its shift, MobileViT whose tokens are not unfolded, or that has none.

    python benchmarks/family/variants.py --seeds 0 1 2

Trained as inductive_bias.py trains the whole models, at their rates, on 1,000 digits; and judged, besides, on the same
test digits pushed by up to 4 pixels, where strokes cross the borders of windows. The whole models' rows are in
inductive_bias.jsonl. A row a run goes to results/family/variants.jsonl, and what is there is not run again.
"""

import argparse
import dataclasses
from typing import Any

import inductive_bias as bias
from classifiers import build, configuration, flops, train
from rows import RESULTS, Rows, cpu_seconds

from minivit.family import MobileViTConfig, Swin, SwinConfig
from minivit.train import evaluate

FILE = RESULTS / "variants.jsonl"
IMAGES = 1_000


class WithoutShift(SwinConfig):
    """A Swin whose windows all lie alike."""

    def _window_and_shift(self, sides: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
        return super()._window_and_shift(sides)[0], (0, 0)


def without_shift(config: SwinConfig) -> WithoutShift:
    return WithoutShift(**config.to_dict())


def without_tokens(config: MobileViTConfig) -> MobileViTConfig:
    """MV2 units alone, more and wider ones, so that there are as many parameters."""
    none = (0,) * len(config.widths)
    changes = dict(widths=(32, 40), units=(2, 7), token_widths=none, depths=none)
    return dataclasses.replace(config, **changes)


def variants() -> dict[tuple[str, str], Any]:
    """The models, by architecture and what was done to it."""
    swin, mobilevit = configuration("swin"), configuration("mobilevit")
    return {
        ("swin", "never shifted"): without_shift(swin),
        ("mobilevit", "not unfolded"): dataclasses.replace(mobilevit, patch_size=1),
        ("mobilevit", "no tokens"): without_tokens(mobilevit),
    }


def model_of(config: Any, seed: int) -> Any:
    """As `build`, for configurations of our own kind, too."""
    if isinstance(config, SwinConfig):
        return Swin(config, seed=seed, init="fan_in")
    return build(config, seed)


def run(rows: Rows, rates: Rows, architecture: str, variant: str, config: Any, seed: int, steps: int) -> None:
    """One training and its row, unless that is there."""
    key = {"architecture": architecture, "variant": variant, "images": IMAGES, "seed": seed}
    if rows.select(**key):
        return
    rate = bias.rate(rates, architecture)
    digits, _ = bias.some("digits", IMAGES, seed)
    model = model_of(config, seed)
    with cpu_seconds() as spent:
        loss = train(model, *digits, bias.recipe(IMAGES, steps, rate), seed)
    _, choose, report = bias.split("digits")
    rows.add(
        key
        | {
            "steps": steps,
            "learning_rate": rate,
            "train_loss": loss,
            "choosing_accuracy": evaluate(model, *choose, workers=1)[1],
            "accuracy": evaluate(model, *report, workers=1)[1],
            "shifted_accuracy": bias.shifted_accuracy(model, *(x[: bias.SHIFTED] for x in report)),
            "cpu_seconds": spent[0],
            "parameters": sum(array.size for array in model.params.values()),
            "flops": flops(model),
        }
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rows, rates = Rows(FILE), Rows(bias.FILE)
    for seed in options.seeds:
        for (architecture, variant), config in variants().items():
            run(rows, rates, architecture, variant, config, seed, bias.STEPS[IMAGES])
