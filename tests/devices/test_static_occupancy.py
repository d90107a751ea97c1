"""Theoretical occupancy, against what NVIDIA's cuda_occupancy.h (CUDA 13) gives."""

import pytest

from minivit.devices.occupancy import LIMITS, occupancy

# compute capability, registers, threads, shared memory -> blocks a multiprocessor, and what allows no more. A sample of
# 28,000 random launches in which the two agreed.
FROM_NVIDIA = [
    (75, 35, 192, 32468, 2, "shared memory"),
    (75, 121, 128, 0, 4, "registers"),
    (75, 6, 1024, 0, 1, "warps"),
    (75, 111, 32, 0, 16, "blocks"),
    (80, 145, 32, 0, 12, "registers"),
    (80, 156, 32, 98976, 1, "shared memory"),
    (80, 28, 128, 0, 16, "warps"),
    (80, 52, 32, 0, 32, "blocks"),
    (86, 231, 128, 0, 2, "registers"),
    (86, 26, 512, 27601, 3, "warps"),
    (86, 155, 96, 81608, 1, "shared memory"),
    (86, 64, 32, 0, 16, "blocks"),
    (89, 243, 96, 99615, 1, "shared memory"),
    (89, 49, 32, 0, 24, "blocks"),
    (89, 119, 512, 0, 1, "registers"),
    (90, 250, 128, 0, 2, "registers"),
    (90, 90, 32, 185725, 1, "shared memory"),
    (90, 8, 256, 0, 8, "warps"),
    (100, 76, 256, 140237, 1, "shared memory"),
    (100, 24, 1024, 29518, 2, "warps"),
    (120, 38, 96, 0, 16, "warps"),
    (120, 249, 192, 0, 1, "registers"),
    (120, 30, 256, 24632, 3, "shared memory"),
    (120, 28, 32, 0, 24, "blocks"),
]


@pytest.mark.parametrize(("capability", "registers", "threads", "shared", "blocks", "limit"), FROM_NVIDIA)
def test_agrees_with_nvidia(capability, registers, threads, shared, blocks, limit):
    found = occupancy(capability, registers, threads, shared)
    assert (found.blocks, found.limit) == (blocks, limit)
    assert (found.warps, found.of) == (blocks * -(-threads // 32), LIMITS[capability].warps)


def test_by_hand():
    """64 registers of 32 lanes are 2048; a quarter of the A100's 65536 holds 8 warps of them, so 32 in all."""
    found = occupancy(80, 64, 256, 0)
    assert (found.blocks, found.warps, str(found), found.limit) == (4, 32, "32/64", "registers")


def test_a_block_that_cannot_run():
    assert occupancy(75, 32, 128, 65537).blocks == 0
    assert occupancy(80, 255, 1024, 0).blocks == 0


def test_an_unknown_gpu():
    with pytest.raises(ValueError, match="compute capability 70: the limits are known for 75, 80"):
        occupancy(70, 32, 128, 0)
