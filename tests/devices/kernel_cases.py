"""Launches of every kernel of the project at ragged sizes, with arguments: what the checker is shown.

A kernel's first case is the one in which mistakes are planted: several blocks and tiles, and a tail of each.
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from deformable_support import every_launch_for, inputs, shapes_of
from kernel_support import values_for

from minivit.devices import launches as table
from minivit.devices.launch import Launch
from minivit.devices.launches import attention, elementwise, layernorm, roi_align

F32, F64 = np.float32, np.float64
ADAMW_NUMBERS = ("one_minus_beta1", "one_minus_beta2", "shrink", "step_size", "square_correction", "eps")


@dataclass(frozen=True)
class Case:
    """A launch with its arguments. Each launch has arrays of its own: none needs what another has written."""

    launch: Launch
    values: dict[str, object]

    @property
    def call(self) -> tuple:
        arguments = self.launch.typed([self.values[name] for name in self.launch.names])
        return self.launch.grid, self.launch.block, *arguments


def cases(launches, shapes, **given):
    return [Case(launch, values_for([launch], shapes, **given)) for launch in launches]


def elementwise_cases(dtype):
    for n in (1027, 3):
        shapes = dict.fromkeys(("y", "dx", "dy", "x"), n)
        for kind, version in itertools.product(("erf", "tanh"), elementwise.VERSIONS["gelu_forward"]):
            yield from cases([table.gelu_forward(n, dtype, kind, version)], shapes, n=n)
            yield from cases([table.gelu_backward(n, dtype, kind, version)], shapes, n=n)
        numbers = table.adamw_numbers(1e-3, (0.9, 0.999), 1e-8, 0.1, 1)
        shapes = dict.fromkeys(("theta", "mean", "square", "grads"), n)
        given = dict(zip(ADAMW_NUMBERS, numbers, strict=True))
        yield from cases([table.adamw(n, dtype)], shapes, n=n, decayed=n // 2, **given)


def patchify_cases(dtype):
    for shape, (patch_height, patch_width) in (((3, 8, 18, 3), (4, 6)), ((1, 1, 1, 1), (1, 1))):
        _, height, width, channels = shape
        given = {"height": height, "width": width, "channels": channels}
        given |= {"patch_height": patch_height, "patch_width": patch_width}
        patch = patch_height, patch_width
        launches = [table.patchify_forward(shape, patch, dtype), table.patchify_backward(shape, patch, dtype)]
        yield from cases(launches, dict.fromkeys(("images", "patches", "dimages", "dpatches"), shape), **given)


def cross_entropy_cases(dtype):
    for rows, classes in ((5, 10), (1, 1), (9, 33)):
        shapes = dict.fromkeys(("dlogits", "logits", "targets"), (rows, classes)) | {"losses": rows}
        given = {"rows": rows, "classes": classes, "smoothing": 0.1}
        labels = np.arange(rows, dtype=np.int32) % classes
        launch = table.cross_entropy(rows, classes, dtype)
        yield from cases([launch], shapes, labels=labels, targets=None, **given)
        launch = table.cross_entropy(rows, classes, dtype, targets=True)
        yield from cases([launch], shapes, labels=None, **given)


def layernorm_cases(dtype):
    for rows, width in ((65, 132), (1, 4), (33, 100), (9, 33), (3, 1)):
        shapes = dict.fromkeys(("y", "x", "dx", "dy"), (rows, width)) | dict.fromkeys(("mean", "rstd"), rows)
        shapes |= dict.fromkeys(("gamma", "beta", "dgamma", "dbeta"), width)
        P = table.partial_rows(rows)
        shapes |= dict.fromkeys(("dgamma_partial", "dbeta_partial"), (P, width))
        given = {"rows": rows, "width": width, "eps": 1e-6, "partials": P}
        for version in layernorm.VERSIONS["layernorm_forward"]:
            if version < 4 or width % 4 == 0:
                yield from cases([table.layernorm_forward(rows, width, dtype, version)], shapes, **given)
        for version in layernorm.VERSIONS["layernorm_backward"]:
            if version < 3 or width % 4 == 0:
                yield from cases(table.layernorm_backward(rows, width, dtype, version), shapes, **given)


def layernorm_narrow_cases(dtype):
    """More rows than a block takes at once; rows of one vector, and of one more than a power of two of them."""
    for rows, width in ((65, 20), (1, 4), (33, 12), (3, 32)):
        shapes = dict.fromkeys(("y", "x", "dx", "dy"), (rows, width)) | dict.fromkeys(("mean", "rstd"), rows)
        shapes |= dict.fromkeys(("gamma", "beta", "dgamma", "dbeta"), width)
        P = table.partial_rows(rows)
        shapes |= dict.fromkeys(("dgamma_partial", "dbeta_partial"), (P, width))
        given = {"rows": rows, "width": width, "eps": 1e-6, "partials": P}
        yield from cases([table.layernorm_forward(rows, width, dtype)], shapes, **given)
        yield from cases(table.layernorm_backward(rows, width, dtype)[:1], shapes, **given)


def attention_cases(dtype):
    """Heads of 24: of 8 lanes with 16 bytes each, two have none; of 8, few have any. What doubles change is the size of
    the tiles, most of all at 72. 70 rows are two blocks of the last rungs, and three tiles."""
    for ladder in (table.attention_forward, table.attention_backward):
        best = attention.BEST[ladder.__name__]
        others = range(1, best)
        if dtype == F32:
            sizes = [(version, 33, 12) for version in others] + [(best, 33, 24), (best, 5, 24), (best, 70, 8)]
            sizes += [*((version, 5, 7) for version in others), (best, 65, 40)]
            rungs = attention.VERSIONS[ladder.__name__][best:]
            sizes += [(version, N, d) for version in rungs for N, d in ((33, 24), (5, 24), (70, 40))]
        else:
            sizes = [(1, 33, 12), *((version, 17, 72) for version in (*others[1:], best))]
        for (version, N, d), bias in itertools.product(sizes, (True, False)):
            B, H = 2, 2
            given = {"B": B, "N": N, "scale": d**-0.5} | ({} if bias else {"bias": None})
            launches = ladder(B, H, N, d, dtype, bias, version)
            yield from cases(launches, table.attention_shapes(B, H, N, d), **given)


def cross_attention_cases(dtype):
    """More queries than a tile has, few, and very few; more keys than queries, and fewer. The last heads as above."""
    sizes = [(33, 70, 24), (5, 17, 24), (1, 9, 24), (9, 5, 24), (65, 70, 40)]
    if dtype == F64:
        sizes = [(9, 5, 24), (17, 20, 72), (2, 20, 128)]
    for (Nq, Nk, d), bias in itertools.product(sizes, (True, False)):
        B, H = 2, 2
        given = {"B": B, "Nq": Nq, "Nk": Nk, "scale": d**-0.5} | ({} if bias else {"bias": None})
        shapes = table.cross_attention_shapes(B, H, Nq, Nk, d)
        for ladder in (table.cross_attention_forward, table.cross_attention_backward):
            yield from cases(ladder(B, H, Nq, Nk, d, dtype, bias), shapes, **given)


def deformable_cases(dtype):
    """Heads of 5 vectors, of one, of more than a warp has lanes, and of a number that is no vector; samples around the
    maps, and maps of one cell."""
    sizes = ((2, 7, 3, 2, 20), ((3, 5), (2, 2))), ((1, 1, 1, 1, 4), ((1, 1),)), ((1, 2, 1, 2, 132), ((2, 3),))
    for (B, Q, H, P, d), shapes in sizes:
        values = inputs(B, Q, H, P, d, shapes, dtype)
        for version in (1, 2):
            for launch in every_launch_for(values, version):
                keys = {"keys": np.full_like(values["keys"], -1)}
                yield from cases([launch], shapes_of(values), **values | keys)
    values = inputs(1, 3, 2, 1, 7, ((2, 3),), dtype)
    yield from cases(every_launch_for(values, 1), shapes_of(values), **values)


def column_sums_cases(dtype):
    for rows, width in ((70, 20), (1, 1)):
        shapes = {"sums": width, "x": (rows, width)}
        yield from cases([table.column_sums(rows, width, dtype)], shapes, rows=rows, width=width)


def philox_cases(dtype):
    for n in (1027, 3):
        given = {"n": n, "key0": 1, "key1": 2, "draw": 3}
        yield from cases([table.philox_uniform(n, dtype), table.philox_normal(n, dtype)], {"out": n}, **given)


def move_images_cases(dtype):
    """Two tiles down and three across, with an edge of each; more points than the grid has reach into them."""
    for (B, height, width, channels), bending in (
        ((3, 19, 33, 2), True),
        ((3, 19, 33, 2), False),
        ((1, 1, 1, 1), True),
    ):
        images = (B, height, width, channels)
        points = {"points_down": (height + 8) // 4 + 1, "points_across": (width + 8) // 4 + 1}
        shapes = {"moved": images, "images": images, "draws": (4, B), "noise": (2, B, *points.values())}
        given = {"height": height, "width": width, "channels": channels, **points}
        given |= {"shift": 3, "rotation": 20, "scale": 0.2, "elastic": 1} | ({} if bending else {"noise": None})
        yield from cases([table.move_images(images, dtype)], shapes, **given)


def relative_bias_cases(dtype):
    """Some entries are used by pairs of several lanes, and by two of one lane."""
    for N, entries, heads in ((7, 30, 3), (1, 1, 1)):
        index = np.arange(N * N, dtype=np.int32).reshape(N, N) % 32 % entries
        given = {"index": index, "pairs": N * N, "entries": entries, "heads": heads}
        shapes = {"dtable": (entries, heads), "dbias": (heads, N, N)}
        yield from cases([table.relative_bias_backward(entries, heads, dtype)], shapes, **given)


def roi_align_cases(dtype):
    """Boxes that look at two maps of 5 x 5 and 3 x 2, more of them than a warp has lanes; more channels than a warp has
    vectors; one box alone."""
    for queries, channels, size, samples in ((35, 140, 3, 2), (1, 4, 1, 1), (2, 12, 16, 3)):
        boxes, looks = boxes_and_looks(3, queries, dtype)
        given = {"images": 3, "queries": queries, "places": 31, "channels": channels, "size": size, "samples": samples}
        shapes = dict.fromkeys(("y", "dy"), (3, queries, size * size, channels))
        shapes |= dict.fromkeys(("maps", "dmaps"), (3, 31, channels))
        for forward, backward in itertools.zip_longest(*roi_align.VERSIONS.values()):
            launches = [table.roi_align_forward(3, queries, channels, size, dtype, forward)]
            launches += [table.roi_align_backward(3, 31, channels, size, dtype, backward)] if backward else []
            yield from cases(launches, shapes, boxes=boxes, looks=looks, **given)


def boxes_and_looks(images, queries, dtype):
    """Boxes within, over the edges and outside of 20 x 20 pixels, of no size and of all sizes; and their maps."""
    rng = np.random.default_rng(0)
    low, size = rng.uniform(-12, 20, (images, queries, 2)), rng.uniform(0, 20, (images, queries, 2))
    size[:, ::7] = 0
    small = (size.max(axis=-1) < 8)[..., None]
    looks = np.where(small, (0, 5, 5, 4), (25, 3, 2, 8)).astype(np.int32)
    return np.concatenate((low, low + size), axis=-1).astype(dtype), looks


def every_case():
    """Cases by the names of their kernels."""
    found = defaultdict(list)
    for dtype in (F32, F64):
        rows = patchify_cases, cross_entropy_cases, layernorm_cases, layernorm_narrow_cases, relative_bias_cases
        more = deformable_cases, roi_align_cases, column_sums_cases, philox_cases, move_images_cases
        for some in (elementwise_cases, *rows, attention_cases, cross_attention_cases, *more):
            for case in some(dtype):
                found[case.launch.kernel.split("<")[0]].append(case)
    return found


CASES = every_case()
