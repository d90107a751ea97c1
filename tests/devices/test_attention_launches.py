"""The launches of the attention kernels: what they ask of memory, counted, and what the table refuses."""

import itertools

import numpy as np
import pytest
from attention_support import BACKWARD, FORWARD, both, ladder, values
from kernel_support import FLOAT_AND_DOUBLE, profile, run_by_name

from minivit.devices.launch import ROOM, SHARED
from minivit.devices.launches import attention_backward, attention_forward
from minivit.devices.launches.attention import BEST, VERSIONS, every_launch, rung

# What the headers of the kernels' files tell of a head of ViT-B: N = 197, d = 64, float.
# version: requests and sectors (32 bytes) of global memory, distinct bytes, turns of shared memory, those for conflicts
FORWARD_COUNTS = {
    1: (319_199, 2_998_563, 823_584, 0, 0),
    2: (29_367, 128_957, 823_584, 973_440, 605_696),
    3: (11_229, 44_325, 202_528, 2_672_352, 2_395_520),
    4: (11_229, 44_325, 202_528, 276_832, 0),
    5: (1_050, 15_810, 202_528, 87_088, 0),
    6: (1_050, 15_810, 202_528, 87_088, 0),
    7: (1_125, 15_785, 202_528, 18_656, 0),
    8: (1_125, 15_785, 202_528, 18_656, 0),
}
BACKWARD_COUNTS = {
    1: (787_952, 6_357_349, 1_591_968, 0, 0),
    2: (20_291, 64_025, 659_616, 1_328_768, 0),
    3: (5_100, 59_712, 659_616, 455_336, 0),
    4: (3_300, 40_200, 659_616, 304_784, 0),
    5: (4_200, 40_800, 659_616, 61_632, 0),
    6: (4_200, 40_800, 659_616, 61_632, 0),
}


def counted(launches, given):
    totals = []
    for launch in launches:
        totals.append(profile(launch, given).total)
        run_by_name([launch], given)
    columns = [(t.requests, t.sectors, t.distinct_bytes, t.shared_turns, t.conflicts) for t in totals]
    return tuple(np.sum(columns, axis=0))


@pytest.mark.parametrize("version", FORWARD)
def test_the_counts_of_the_forward(version):
    N, d = 197, 64
    launches = attention_forward(1, 1, N, d, np.float32, False, version)
    assert counted(launches, values(1, 1, N, d, np.float32, bias=False)) == FORWARD_COUNTS[version]
    floor = 4 * (4 * N * d + N)
    assert (FORWARD_COUNTS[version][2] < 1.001 * floor) == (version >= 3)


@pytest.mark.parametrize("version", BACKWARD)
def test_the_counts_of_the_backward(version):
    N, d = 197, 64
    given = values(1, 1, N, d, np.float32, bias=False)
    run_by_name(attention_forward(1, 1, N, d, np.float32, False), given)
    assert counted(attention_backward(1, 1, N, d, np.float32, False, version), given) == BACKWARD_COUNTS[version]


@pytest.mark.parametrize(("d", "dtype"), [(8, np.float32), (80, np.float32), (80, np.float64), (128, np.float64)])
def test_the_best_versions_read_what_their_tiles_say_and_no_lane_waits_for_a_bank(d, dtype):
    """Forward: Q and out once, K and V once for each tile of queries, and lse."""
    N, size = 64, np.dtype(dtype).itemsize
    given = values(1, 1, N, d, dtype, bias=False)
    launches = both((5, 3), 1, 1, N, d, dtype, False)
    (tiles, *_) = launches[0].grid
    total = profile(launches[0], given).total
    assert total.bytes_read + total.bytes_written == ((2 + 2 * tiles) * N * d + N) * size
    for launch in launches:
        report = profile(launch, given)
        assert report.total.conflicts == 0
        vectors = [line for line in report.lines if line.space == "global" and line.size == 16]
        assert vectors and all(line.moved == line.ideal for line in vectors)
        run_by_name([launch], given)


@FLOAT_AND_DOUBLE
def test_the_table_fits_every_width_into_shared_memory(dtype):
    """All but the last rungs into what needs no asking, and these into what every GPU has that can run them."""
    asking = set()
    for d in range(1, 129):
        for versions in ladder(d, dtype, tf32=True):
            for launch in both(versions, 2, 3, 197, d, dtype, True):
                assert launch.shared <= ROOM and np.prod(launch.block) <= 1024
                assert launch.grid[1:] in ((3, 2), (3,))
                asking |= {versions} if launch.shared > SHARED else set()
    assert asking == ({(8, 6), (7, 5), (6, 4)} if dtype == np.float32 else {(6, 4)})


@FLOAT_AND_DOUBLE
def test_where_a_gpu_has_no_more_the_tiles_are_smaller(dtype):
    for d in range(8, 129, 8):
        for versions in ladder(d, dtype, tf32=True)[:3]:
            forward = attention_forward(2, 3, 197, d, dtype, True, versions[0], room=SHARED)
            backward = attention_backward(2, 3, 197, d, dtype, True, versions[1], room=SHARED)
            assert all(launch.shared <= SHARED for launch in forward + backward)


def test_what_a_rung_asks_for_is_in_its_launches():
    for name, launches in (("attention_forward", attention_forward), ("attention_backward", attention_backward)):
        for version in VERSIONS[name]:
            asked = rung(name, version)
            _, *rows = [None, *launches(1, 1, 17, 64, np.float32, True, version)]
            assert {row.least for row in rows} - {0} == ({asked.least} if asked.least else set())
            if asked.only:
                with pytest.raises(ValueError, match=f"version {version} takes .* for float32, not 64 for float64"):
                    launches(1, 1, 17, 64, np.float64, True, version)


@FLOAT_AND_DOUBLE
def test_the_gradient_of_the_bias_asks_for_its_four_tiles_alone(dtype):
    """Q, K, V and dout: P and dS stay in registers. One byte less is too little: see kernel_mistakes.py."""
    for d in range(1, 129):
        for version in VERSIONS["attention_backward"][1:]:
            if not rung("attention_backward", version).takes(d, np.dtype(dtype)):
                continue
            *_, queries, bias = attention_backward(2, 3, 197, d, dtype, True, version)
            if version == 2:
                side = int(bias.kernel.rstrip(">").rsplit(", ", 1)[1])
                assert bias.shared == 4 * side * (d | 1) * np.dtype(dtype).itemsize
            assert bias.shared < queries.shared or (version >= 5 and bias.shared == queries.shared)


def test_the_best_version_that_fits_is_taken():
    def kernels(d, dtype):
        return [launch.kernel for launch in both((None, None), 1, 1, 1, d, dtype, False)]

    assert all("_v5<" in name or "_v3<" in name for name in kernels(12, np.float32) + kernels(2, np.float64))
    assert all("_v4<" in name or "_v2<" in name for name in kernels(6, np.float32) + kernels(7, np.float64))


@pytest.mark.parametrize("launches", [attention_forward, attention_backward])
def test_what_cannot_be_is_refused(launches):
    best = BEST[launches.__name__]
    for B, H, N in itertools.product((0, 1), repeat=3):
        if 0 in (B, H, N):
            with pytest.raises(ValueError, match="nothing to compute"):
                launches(B, H, N, 8, np.float32, True)
    with pytest.raises(ValueError, match="129 wide"):
        launches(1, 1, 1, 129, np.float32, True)
    with pytest.raises(ValueError, match="multiple of 4"):
        launches(1, 1, 1, 6, np.float32, True, best)
    with pytest.raises(ValueError, match="no version 9"):
        launches(1, 1, 1, 8, np.float32, True, 9)
    with pytest.raises(ValueError, match="65536 images"):
        launches(65536, 1, 1, 8, np.float32, True)


def test_every_launch_names_each_kernel_once():
    names = [launch.kernel for launch in every_launch()]
    assert len(names) == len(set(names))
    assert {name.split("<")[0] for name in names} >= {"attention_forward_v5", "attention_backward_bias_v3"}
