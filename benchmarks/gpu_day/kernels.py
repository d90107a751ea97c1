"""Launches of the kernels by themselves: small and ragged ones for compute-sanitizer, and those whose counts are known.

The small ones are the tests' (tests/devices/kernel_cases.py): what the emulator's checker sees, NVIDIA's sees too.
"""

from collections.abc import Iterator

import numpy as np
from deformable_support import every_launch_for, inputs, shapes_of
from kernel_cases import CASES, boxes_and_looks
from kernel_support import values_for

from minivit.devices import get_device
from minivit.devices import launches as table
from minivit.devices.launch import Launch

from .findings import say

F32 = np.float32
SHORT = ("layernorm_forward_v4", "layernorm_backward_v3", "gelu_forward_v2", "cross_entropy", "patchify_forward")


def small(dry: bool, short: bool, only_float: bool, unset: bool) -> None:
    """Every kernel at ragged sizes. Without CuPy's memory pool, so that the sanitizer sees where each array ends."""
    if not dry:
        import cupy

        cupy.cuda.set_allocator(None)
    count = 0
    for name, cases in CASES.items():
        if short and name not in SHORT:
            continue
        for case in cases:
            if case.launch.dtype == F32 or not (only_float or dry):
                launch_all([case.launch], case.values, unset)
                count += 1
    say(True, f"{count} launches of {len(SHORT) if short else len(CASES)} kernels")


def launch_all(launches: list[Launch], values: dict[str, object], unset: bool = False) -> None:
    """On "cuda", one after the other. What a kernel leaves unwritten in its outputs is found, as NaN.

    unset: outputs hold whatever lay there, and initcheck finds who reads it.
    """
    device = get_device("cuda")
    there = {name: device.asarray(value) if isinstance(value, np.ndarray) else value for name, value in values.items()}
    if unset:
        written = {name for launch in launches for name in outputs(launch)}
        there |= {name: device.empty(values[name].shape, values[name].dtype) for name in written}
    for launch in launches:
        device.launch(launch, *(there[name] for name in launch.names))
        for name in outputs(launch):
            result = device.to_numpy(there[name])  # waits, so that an error is this launch's
            if np.isnan(result).any():
                say(False, f"{launch.kernel} {launch.grid}: NaN in {name}")


def outputs(launch: Launch) -> list[str]:
    """The arrays that it writes, all of them."""
    return [name for argument, name in zip(launch.arguments, launch.names, strict=True) if argument.startswith("out ")]


def counted(short: bool = False) -> Iterator[tuple[str, list[Launch], dict[str, object]]]:
    """The launches whose counts are compared: their sizes in words, the launches, their arguments."""
    for sizes, launches, shapes, given in every_count():
        if not short or in_short(launches):
            yield sizes, launches, values_for(launches, shapes, **given)


def in_short(launches: list[Launch]) -> bool:
    return launches[0].kernel.partition("<")[0] in SHORT


def every_count() -> Iterator[tuple[str, list[Launch], dict[str, object], dict[str, object]]]:
    yield from layernorms(512, 384)
    n = 10_000
    for direction, version in (("forward", 1), ("forward", 2), ("backward", 1), ("backward", 2)):
        launch = getattr(table, f"gelu_{direction}")(n, F32, "erf", version)
        yield f"{n:,} numbers", [launch], dict.fromkeys(("y", "dx", "dy", "x"), n), {"n": n}
    yield from attentions(1, 1, 197, 64)
    for Nq in (1, 100):
        yield from cross_attentions(1, 1, Nq, 197, 64)
    yield from deformables(1, 100, 8, 4, 32, ((12, 16), (6, 8)))
    yield from roi_aligns(1, 35, 256, 7, 2)
    for shape, patch in (((3, 12, 18, 3), (4, 6)), ((3, 28, 28, 1), (7, 7))):
        sizes = dict(zip(("height", "width", "channels"), shape[1:], strict=True))
        sizes |= {"patch_height": patch[0], "patch_width": patch[1]}
        shapes = dict.fromkeys(("images", "patches", "dimages", "dpatches"), shape)
        for name in ("patchify_forward", "patchify_backward"):
            yield f"{shape} in {patch}", [getattr(table, name)(shape, patch, F32)], shapes, sizes
    for rows, classes in ((33, 50), (5, 10), (7, 1000)):
        shapes = dict.fromkeys(("dlogits", "logits"), (rows, classes)) | {"losses": rows}
        given = {"rows": rows, "classes": classes, "smoothing": 0.1, "targets": None}
        given["labels"] = np.arange(rows, dtype=np.int32) % classes
        yield f"{rows} × {classes}", [table.cross_entropy(rows, classes, F32)], shapes, given
    index = (np.arange(49, dtype=np.int32) % 12).reshape(7, 7)
    given = {"index": index, "pairs": 49, "entries": 12, "heads": 3}
    yield "3 × 7 × 7", [table.relative_bias_backward(12, 3, F32)], {"dtable": (12, 3), "dbias": (3, 7, 7)}, given
    shapes, given = {"sums": 40, "x": (700, 40)}, {"rows": 700, "width": 40}
    yield "700 × 40", [table.column_sums(700, 40, F32)], shapes, given
    given = {"n": 1027, "key0": 1, "key1": 2, "draw": 3}
    yield "1,027 numbers", [table.philox_uniform(1027, F32), table.philox_normal(1027, F32)], {"out": 1027}, given
    images, points = (3, 28, 28, 1), {"points_down": 10, "points_across": 10}
    shapes = {"moved": images, "images": images, "draws": (4, 3), "noise": (2, 3, 10, 10)}
    given = {"height": 28, "width": 28, "channels": 1, **points, "shift": 2, "rotation": 10, "scale": 0.1, "elastic": 1}
    yield f"{images}", [table.move_images(images, F32)], shapes, given
    numbers = table.adamw_numbers(1e-3, (0.9, 0.999), 1e-8, 0.1, 1)
    launch = table.adamw(1027, F32)
    shapes = dict.fromkeys(("theta", "mean", "square", "grads"), 1027)
    given = {"n": 1027, "decayed": 700, **dict(zip(launch.names[-6:], numbers, strict=True))}
    yield "1,027 parameters", [launch], shapes, given


def layernorms(rows: int, width: int, best: bool = False) -> Iterator[tuple]:
    """Every version of both ladders, or those that are chosen by themselves."""
    shapes = dict.fromkeys(("y", "x", "dx", "dy"), (rows, width)) | dict.fromkeys(("mean", "rstd"), rows)
    shapes |= dict.fromkeys(("gamma", "beta", "dgamma", "dbeta"), width)
    shapes |= dict.fromkeys(("dgamma_partial", "dbeta_partial"), (table.partial_rows(rows), width))
    given = {"rows": rows, "width": width, "eps": 1e-6, "partials": table.partial_rows(rows)}
    for version in (None,) if best else table.LADDERS["layernorm_forward"]:
        yield f"{rows} × {width}", [table.layernorm_forward(rows, width, F32, version)], shapes, given
    for version in (None,) if best else table.LADDERS["layernorm_backward"]:
        yield f"{rows} × {width}", table.layernorm_backward(rows, width, F32, version), shapes, given


def attentions(B: int, H: int, N: int, d: int, best: bool = False) -> Iterator[tuple]:
    given = {"B": B, "N": N, "scale": d**-0.5, "bias": None}
    for ladder in (table.attention_forward, table.attention_backward):
        for version in (None,) if best else table.LADDERS[ladder.__name__]:
            launches = ladder(B, H, N, d, F32, False, version)
            yield f"B{B} H{H} N{N} d{d}", launches, table.attention_shapes(B, H, N, d), given


def cross_attentions(B: int, H: int, Nq: int, Nk: int, d: int) -> Iterator[tuple]:
    given = {"B": B, "Nq": Nq, "Nk": Nk, "scale": d**-0.5, "bias": None}
    for ladder in (table.cross_attention_forward, table.cross_attention_backward):
        launches, shapes = ladder(B, H, Nq, Nk, d, F32, False), table.cross_attention_shapes(B, H, Nq, Nk, d)
        yield f"B{B} H{H} N{Nq}, {Nk} d{d}", launches, shapes, given


def deformables(B: int, Q: int, H: int, P: int, d: int, maps: tuple[tuple[int, int], ...]) -> Iterator[tuple]:
    values = inputs(B, Q, H, P, d, maps, F32)
    for version in table.LADDERS["deformable_attention_forward"]:
        for launch in every_launch_for(values, version):
            given = values | {"keys": np.full_like(values["keys"], -1)}
            yield f"B{B} Q{Q} H{H} P{P} d{d}, {maps}", [launch], shapes_of(values), given


def roi_aligns(images: int, queries: int, channels: int, size: int, samples: int) -> Iterator[tuple]:
    boxes, looks = boxes_and_looks(images, queries, F32)
    places = max(int(start + height * width) for start, height, width, _ in looks.reshape(-1, 4))
    given = dict(images=images, queries=queries, places=places, channels=channels, size=size, samples=samples)
    shapes = dict.fromkeys(("y", "dy"), (images, queries, size * size, channels))
    shapes |= dict.fromkeys(("maps", "dmaps"), (images, places, channels))
    sizes = f"{images} × {queries} boxes, {size} × {size}, {channels} channels"
    for version in table.LADDERS["roi_align_forward"]:
        launch = table.roi_align_forward(images, queries, channels, size, F32, version)
        yield sizes, [launch], shapes, given | {"boxes": boxes, "looks": looks}
    for version in table.LADDERS["roi_align_backward"]:
        launch = table.roi_align_backward(images, places, channels, size, F32, version)
        yield sizes, [launch], shapes, given | {"boxes": boxes, "looks": looks}


def profile(short: bool) -> None:
    """For ncu, which counts what they ask of the memory."""
    count = 0
    for _, launches, values in counted(short):
        launch_all(launches, values)
        count += len(launches)
    say(True, f"{count} launches")


def main(dry: bool) -> None:
    """The best versions at ViT-B's sizes, 64 images of 197 tokens, for ncu to say what keeps each from being faster."""
    B, H, N, d = (2, 2, 17, 12) if dry else (64, 12, 197, 64)
    count = 0
    rows = (*layernorms(B * N, H * d, best=True), *attentions(B, H, N, d, best=True), *cross_attentions(B, H, 1, N, d))
    for _, launches, shapes, given in rows:
        launch_all(launches, values_for(launches, shapes, **given))
        count += len(launches)
    say(True, f"{count} launches")
