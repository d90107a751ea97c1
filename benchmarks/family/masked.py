"""A masked autoencoder: what is it worth to have filled in 7,000 digits without labels, before a few labels come?

    python benchmarks/family/masked.py labels --seeds 0 1 2   100, 300 and 1,000 labels: pre-trained, from scratch
    python benchmarks/family/masked.py ratios                 25, 50, 75 and 90 % hidden, then 100 labels
    python benchmarks/family/masked.py picture                what each of them fills in
    python benchmarks/family/masked.py ship                   the one of seed 0, and what came of it, into the package

The same ViT, of 49 patches, with the same positions and a head of zeros, starts from the encoder or from random
numbers, and is fine-tuned whole (or its head alone, "probe"). Each way has its own rate, chosen with 300 labels on
1,000 digits that neither pre-training nor fine-tuning has seen; reported is the accuracy on the 2,000 test digits. A
row a run goes to results/family/masked.jsonl, and what is there is not run again; pre-trained models are kept in
runs/family.
"""

import argparse
import dataclasses
import json
from pathlib import Path

import numpy as np
from classifiers import PLAIN, train
from inductive_bias import some, split
from rows import RESULTS, Row, Rows, cpu_seconds

from minivit import ViT, family, finetune, load
from minivit.data import TRAINED_MAE, TRAINED_MAE_RESULTS
from minivit.files import atomic_write, read_npz, write_npz
from minivit.inspect import save_figure
from minivit.inspect.canvas import as_rgb, mosaic, picture_figure, tile_centres
from minivit.train import PROBE, TrainConfig, evaluate
from minivit.train.pretraining import DIGITS, RECIPE

FILE = RESULTS / "masked.jsonl"
KEPT = Path(__file__).parents[2] / "runs" / "family"
EPOCHS = 30  # of pre-training
RATIO, RATIOS = 0.75, (0.25, 0.5, 0.75, 0.9)
BATCH, STEPS = 50, {100: 200, 300: 300, 1_000: 400}  # of fine-tuning, by the labels
RATES, RATES_LABELS = (5e-4, 1.5e-3, 4e-3), 300
SHIFTED = "scratch, shifted"  # with the shifts that pre-training has seen: what they alone are worth
WAYS = ("pre-trained", "scratch", SHIFTED)


def config(ratio: float = RATIO) -> family.MAEConfig:
    """The recipe's masked autoencoder, with so much hidden."""
    return family.MAEConfig(**DIGITS | {"mask_ratio": ratio})


def pretrained(rows: Rows, seed: int, ratio: float = RATIO) -> family.MAE:
    """A masked autoencoder that has seen 7,000 digits, and no label: as it was kept, or trained now."""
    key = {"kind": "pretrain", "mask_ratio": ratio, "seed": seed, "epochs": EPOCHS}
    path = KEPT / f"mae_{ratio:g}_{EPOCHS}_{seed}.npz"
    if path.exists():
        return family.MAE.load(path)
    model = family.MAE(config(ratio), seed=seed, init="fan_in")
    images = split("digits").others[0]
    with cpu_seconds() as spent:
        loss = train(model, images, None, dataclasses.replace(RECIPE, epochs=EPOCHS), seed)
    KEPT.mkdir(parents=True, exist_ok=True)
    model.save(path)
    steps = EPOCHS * (len(images) // RECIPE.batch_size)
    if not rows.select(**key):
        rows.add(key | {"images": len(images), "steps": steps, "loss": loss, "cpu_seconds": spent[0]})
    return model


def start(rows: Rows, way: str, seed: int, ratio: float = RATIO) -> family.MAE:
    """What the ViT starts from: an encoder that has learned, or one that has not."""
    if way != "pre-trained":
        return family.MAE(config(ratio), seed=seed, init="fan_in")
    return pretrained(rows, seed, ratio)


def rate(rows: Rows, way: str) -> float:
    """The best of the rates by the held-out digits, with seed 0; tried now, unless their rows are there. Shifted or
    not, scratch has the same."""
    way = way.partition(",")[0]
    tried = {}
    for value in RATES:
        key = {"kind": "rate", "way": way, "labels": RATES_LABELS, "seed": 0, "learning_rate": value}
        if not rows.select(**key):
            model = start(rows, way, 0).vit(10)
            told = tuned(model, RATES_LABELS, 0, value)
            rows.add(key | told | {"choosing_accuracy": evaluate(model, *split("digits").choose, workers=1)[1]})
        tried[value] = rows.select(**key)[0]["choosing_accuracy"]
    return max(tried, key=tried.get)


def tuned(model: ViT, labels: int, seed: int, rate: float, shift: float = 0.0) -> Row:
    """Train all of a ViT on a seed's draw of so many digits, each shifted by up to `shift` pixels."""
    digits, _ = some("digits", labels, seed)
    steps = STEPS[labels]
    sizes = dict(epochs=steps // (labels // BATCH), batch_size=BATCH, shard_size=BATCH)
    how = TrainConfig(**sizes | PLAIN | {"learning_rate": rate, "shift": shift})
    with cpu_seconds() as spent:
        train(model, *digits, how, seed)
    return {"steps": steps, "cpu_seconds": spent[0], "learning_rate": rate}


def run(rows: Rows, way: str, labels: int, seed: int, ratio: float = RATIO) -> None:
    """Fine-tuning on so many labels, and its row, unless that is there."""
    key = {"kind": "run", "way": way, "labels": labels, "seed": seed, "mask_ratio": ratio}
    if rows.select(**key):
        return
    model = start(rows, way, seed if ratio == RATIO else 0, ratio).vit(10)
    told = tuned(model, labels, seed, rate(rows, way), RECIPE.shift if way == SHIFTED else 0.0)
    _, choose, report = split("digits")
    accuracies = [evaluate(model, *digits, workers=1)[1] for digits in (choose, report)]
    rows.add(key | told | dict(zip(("choosing_accuracy", "accuracy"), accuracies, strict=True)))


def probe(rows: Rows, way: str, labels: int, seed: int, ratio: float = RATIO) -> None:
    """A linear head on the mean of the encoder's tokens, which stay as they are; and its row."""
    key = {"kind": "probe", "way": way, "labels": labels, "seed": seed, "mask_ratio": ratio}
    if rows.select(**key):
        return
    model = start(rows, way, seed if ratio == RATIO else 0, ratio).vit(10, pool="norm_gap")
    digits, _ = some("digits", labels, seed)
    _, choose, report = split("digits")
    recipe = dataclasses.replace(PROBE, batch_size=BATCH)
    with cpu_seconds() as spent:
        data = *digits, *choose
        model, _ = finetune(model, *data, freeze="backbone", recipe=recipe, seed=seed, workers=1, progress=False)
    accuracies = [evaluate(model, *digits, workers=1)[1] for digits in (choose, report)]
    rows.add(key | {"cpu_seconds": spent[0]} | dict(zip(("choosing_accuracy", "accuracy"), accuracies, strict=True)))


def picture(rows: Rows) -> None:
    """Five digits, and for each ratio that has been trained with two rows: what was seen, and what was made of it."""
    all_images, labels = split("digits").report
    _, firsts = np.unique(labels, return_index=True)
    images = all_images[firsts[[2, 3, 5, 7, 8]]]
    names, pictures = ["true"], [as_rgb(images)]
    for ratio in (ratio for ratio in RATIOS if rows.select(kind="pretrain", mask_ratio=ratio, seed=0)):
        filled, hidden = pretrained(rows, 0, ratio).fill_in(images, np.random.default_rng(0))
        true = as_rgb(images)
        names += [f"{ratio:.0%} hidden", "filled in"]
        pictures += [np.where(hidden, 0.8, true), np.where(hidden, as_rgb(filled), true)]
    figure, axes = picture_figure(mosaic(np.stack(pictures)), width=3.6, around=0.3)
    axes.set_xticks([])
    axes.set_yticks(tile_centres(len(names), 28), names)
    axes.tick_params(length=0)
    save_figure(figure, RESULTS / "filled_in.png", dpi=110)


def ship(rows: Rows) -> None:
    """The masked autoencoder of seed 0 in half precision, as chapter 18 has it, and all seeds' accuracies."""
    model, path = pretrained(rows, 0, RATIO), KEPT / "ship.npz"
    model.save(path)
    arrays = {name: x if name.startswith("minivit.") else x.astype(np.float16) for name, x in read_npz(path).items()}
    write_npz(TRAINED_MAE, arrays, compressed=True)
    found: dict[str, dict[str, list[float]]] = {}
    for row in rows.select(kind="run", mask_ratio=RATIO):
        found.setdefault(row["way"], {}).setdefault(str(row["labels"]), []).append(row["accuracy"])
    with atomic_write(TRAINED_MAE_RESULTS) as file:
        file.write(json.dumps(found, indent=1).encode() + b"\n")
    images, noise = split("digits").report[0], np.random.default_rng(0).random((2_000, model.config.patches))
    for what in (model, load(TRAINED_MAE)):
        print(f"loss on the test digits: {what.loss(what.normalize(images), noise=noise):.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["labels", "ratios", "picture", "ship"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    options = parser.parse_args()
    rows = Rows(FILE)
    if options.what in ("picture", "ship"):
        {"picture": picture, "ship": ship}[options.what](rows)
    ratios = RATIOS if options.what == "ratios" else (RATIO,)
    amounts = {"labels": STEPS, "ratios": (100,), "picture": (), "ship": ()}[options.what]
    for seed in options.seeds:
        for ratio in ratios:
            for labels in amounts:
                for way in WAYS if ratio == RATIO else WAYS[:1]:
                    run(rows, way, labels, seed, ratio)
                    if way != SHIFTED:
                        probe(rows, way, labels, seed, ratio)
