"""The kernels of rows and elements in several orders, and counted: what their headers say is so."""

import numpy as np
import pytest
from kernel_support import (
    assert_same_bits_in_every_order,
    compile_together,
    profile,
    values_for,
)

from minivit.devices.launches import (
    adamw,
    adamw_numbers,
    cross_entropy,
    elementwise,
    gelu_backward,
    gelu_forward,
    layernorm,
    layernorm_backward,
    layernorm_forward,
    partial_rows,
    patchify_backward,
    patchify_forward,
    relative_bias_backward,
)

F32 = np.float32
FORWARD, BACKWARD = (layernorm.VERSIONS[name] for name in ("layernorm_forward", "layernorm_backward"))


def layernorm_forward_case(rows, width, version):
    launches = [layernorm_forward(rows, width, F32, version)]
    shapes = {"y": (rows, width), "mean": rows, "rstd": rows, "x": (rows, width), "gamma": width, "beta": width}
    return launches, values_for(launches, shapes, rows=rows, width=width, eps=1e-6)


def layernorm_backward_case(rows, width, version):
    launches = layernorm_backward(rows, width, F32, version)
    P = partial_rows(rows)
    shapes = {
        **dict.fromkeys(("dx", "dy", "x"), (rows, width)),
        **dict.fromkeys(("dgamma", "dbeta", "gamma"), width),
        **dict.fromkeys(("dgamma_partial", "dbeta_partial"), (P, width)),
        **dict.fromkeys(("mean", "rstd"), rows),
    }
    return launches, values_for(launches, shapes, rows=rows, width=width, partials=P)


def elementwise_cases():
    n = 1027
    for kind in ("erf", "tanh"):
        for version in elementwise.VERSIONS["gelu_forward"]:
            for launch in (gelu_forward(n, F32, kind, version), gelu_backward(n, F32, kind, version)):
                yield [launch], values_for([launch], dict.fromkeys(("y", "dx", "dy", "x"), n), n=n)
    numbers = adamw_numbers(1e-3, (0.9, 0.999), 1e-8, 0.1, 1)
    launch = adamw(n, F32)
    numbers = dict(zip(launch.names[-len(numbers) :], numbers, strict=True))
    arrays = dict.fromkeys(("theta", "mean", "square", "grads"), n)
    yield [launch], values_for([launch], arrays, n=n, decayed=n // 2, **numbers)

    shape, patch_size = (2, 12, 18, 3), (4, 6)
    sizes = {"height": 12, "width": 18, "channels": 3, "patch_height": 4, "patch_width": 6}
    for launch in (patchify_forward(shape, patch_size, F32), patchify_backward(shape, patch_size, F32)):
        images = dict.fromkeys(("images", "patches", "dimages", "dpatches"), shape)
        yield [launch], values_for([launch], images, **sizes)

    rows, classes = 33, 50
    shapes = {"losses": rows, "dlogits": (rows, classes), "logits": (rows, classes), "targets": (rows, classes)}
    sizes = {"rows": rows, "classes": classes, "smoothing": 0.1}
    launch = cross_entropy(rows, classes, F32)
    labels = np.arange(rows, dtype=np.int32)
    yield [launch], values_for([launch], shapes, labels=labels, targets=None, **sizes)
    launch = cross_entropy(rows, classes, F32, targets=True)
    yield [launch], values_for([launch], shapes, labels=None, **sizes)

    entries, heads, index = 12, 3, np.arange(33, dtype=np.int32) % 12
    launch = relative_bias_backward(entries, heads, F32)
    sizes = {"pairs": index.size, "entries": entries, "heads": heads}
    shapes = {"dtable": (entries, heads), "dbias": (heads, index.size)}
    yield [launch], values_for([launch], shapes, index=index, **sizes)


ELEMENTWISE = list(elementwise_cases())
LAYERNORM = [layernorm_forward_case(33, 100, version) for version in FORWARD]
LAYERNORM += [layernorm_backward_case(65, 100, version) for version in BACKWARD]
for launches, _ in ELEMENTWISE + LAYERNORM:
    compile_together(launches)


def each_of(cases):
    return pytest.mark.parametrize(
        ("launches", "values"), [pytest.param(*case, id=case[0][0].kernel) for case in cases]
    )


@each_of(ELEMENTWISE + LAYERNORM)
def test_the_same_bits_in_any_order(launches, values):
    assert_same_bits_in_every_order(launches, values)


@each_of(ELEMENTWISE)
def test_no_more_is_fetched_than_must_be(launches, values):
    """Different sectors are the arrays' own. GELU and AdamW, whose loads and stores are dense, ask for each once; but
    version 2 of GELU asks for the last three numbers one by one."""
    (launch,) = launches
    total = profile(launch, values).total
    kinds = dict(zip(launch.names, (argument.split()[0] for argument in launch.arguments), strict=True))
    times = {"in": 1, "out": 1, "inout": 2}
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    floor = sum(times[kinds[name]] * -(-array.nbytes // 32) for name, array in arrays.items())
    assert total.distinct_read + total.distinct_written == floor
    if launch.file in ("gelu.cu", "adamw.cu"):
        one_by_one = 2 * len(arrays) if "_v2" in launch.kernel else 0
        assert total.sectors == floor + one_by_one


ROWS, WIDTH = 512, 384  # what the headers of layernorm.cu and layernorm_backward.cu count


@pytest.mark.parametrize(
    ("version", "sectors_a_load", "fetched", "requests", "barriers_a_row"),
    [(1, 32, 16.2, 36_896, 0), (2, 4, 3.0, 37_888, 20), (3, 4, 3.0, 37_888, 0), (4, 16, 2.0, 7_168, 0)],
)
def test_the_counts_of_layernorm_forward(version, sectors_a_load, fetched, requests, barriers_a_row):
    (launch,), values = layernorm_forward_case(ROWS, WIDTH, version)
    report = profile(launch, values)
    total, floor = report.total, 4 * (2 * ROWS * WIDTH + 2 * WIDTH + 2 * ROWS)
    loads = [line for line in report.lines if line.array == "x"]
    assert loads
    assert all(line.moved == sectors_a_load * line.requests for line in loads)
    assert round(32 * total.sectors / floor, 1) == fetched
    assert total.requests == requests
    assert total.barriers == barriers_a_row * ROWS
    assert total.distinct_bytes == floor


@pytest.mark.parametrize(
    ("version", "launched", "fetched", "different", "requests"),
    [(1, 3, 3.1, 1.64, 69_472), (2, 2, 2.3, 1.00, 44_896), (3, 2, 1.3, 1.00, 8_032)],
)
def test_the_counts_of_layernorm_backward(version, launched, fetched, different, requests):
    launches, values = layernorm_backward_case(ROWS, WIDTH, version)
    totals = [profile(launch, values).total for launch in launches]
    floor = 4 * (3 * ROWS * WIDTH + 2 * ROWS + 3 * WIDTH + 4 * partial_rows(ROWS) * WIDTH)
    assert len(launches) == launched
    assert round(sum(32 * total.sectors for total in totals) / floor, 1) == fetched
    assert round(sum(total.distinct_bytes for total in totals) / floor, 2) == different
    assert sum(total.requests for total in totals) == requests
    assert sum(total.conflicts for total in totals) == 0


@pytest.mark.parametrize(("version", "requests"), [(1, 626), (2, 158)])
def test_the_counts_of_gelu(version, requests):
    launch = gelu_forward(10_000, F32, "erf", version)
    total = profile(launch, values_for([launch], {"x": 10_000, "y": 10_000}, n=10_000)).total
    assert total.requests == requests


@pytest.mark.parametrize(
    ("name", "shape", "patch", "sectors"),
    [
        (patchify_forward, (2, 32, 32, 3), 16, 4.0),
        (patchify_forward, (8, 28, 28, 1), 7, 8.5),
        (patchify_backward, (8, 28, 28, 1), 7, 7.4),
    ],
)
def test_the_counts_of_patchify(name, shape, patch, sectors):
    launch = name(shape, (patch, patch), F32)
    sizes = dict(zip(("height", "width", "channels"), shape[1:], strict=True))
    images = dict.fromkeys(("images", "patches", "dimages", "dpatches"), shape)
    values = values_for([launch], images, **sizes, patch_height=patch, patch_width=patch)
    (load,) = [line for line in profile(launch, values).lines if line.array in ("images", "dpatches")]
    assert round(load.moved / load.requests, 1) == sectors


def test_the_counts_of_cross_entropy():
    rows, classes = 64, 1000
    launch = cross_entropy(rows, classes, F32)
    shapes = {"losses": rows, "dlogits": (rows, classes), "logits": (rows, classes)}
    sizes = {"rows": rows, "classes": classes, "smoothing": 0.0}
    values = values_for([launch], shapes, labels=np.arange(rows, dtype=np.int32), targets=None, **sizes)
    assert round(32 * profile(launch, values).total.sectors / (8 * rows * classes), 1) == 2.6
