"""Theoretical occupancy: how many warps a multiprocessor can hold at once, out of how many, and what is in the way.

A GPU hides the time that memory takes by running other warps meanwhile; the more it holds, the more it has to choose
from. The limits are those of NVIDIA's CUDA C++ Programming Guide, "Compute Capabilities". Nothing is measured here.
"""

from dataclasses import dataclass

REGISTERS = 65536  # of 32 bits, a multiprocessor; each of its four parts has a quarter
REGISTER_UNIT = 256  # a warp gets registers in multiples of this
PARTS = 4
WARP = 32


@dataclass(frozen=True)
class Limits:
    """Of one compute capability, a multiprocessor."""

    warps: int
    blocks: int
    shared: int  # bytes
    shared_per_block: int  # bytes that one block may have, by opting in beyond 48 KB
    shared_reserved: int  # bytes that the system keeps of each block's
    shared_unit: int  # shared memory is given in multiples of this


LIMITS = {
    75: Limits(32, 16, 65536, 65536, 0, 256),  # Turing: RTX 20, T4
    80: Limits(64, 32, 167936, 166912, 1024, 128),  # Ampere: A100
    86: Limits(48, 16, 102400, 101376, 1024, 128),  # Ampere: RTX 30
    89: Limits(48, 24, 102400, 101376, 1024, 128),  # Ada: RTX 40, L4
    90: Limits(64, 32, 233472, 232448, 1024, 128),  # Hopper: H100
    100: Limits(64, 32, 233472, 232448, 1024, 128),  # Blackwell: B200
    120: Limits(48, 24, 102400, 101376, 1024, 128),  # Blackwell: RTX 50
}


@dataclass(frozen=True)
class Occupancy:
    blocks: int  # a multiprocessor
    warps: int
    of: int  # warps it could hold at best
    limit: str  # what allows no more: "warps", "blocks", "registers" or "shared memory"

    def __str__(self) -> str:
        return f"{self.warps}/{self.of}"


def occupancy(capability: int, registers: int, threads: int, shared: int) -> Occupancy:
    """For a kernel of so many registers a thread, threads a block, and bytes of shared memory a block.

    0 blocks where a block cannot run at all. Raises ValueError for a capability that is not in LIMITS.
    """
    if capability not in LIMITS:
        raise ValueError(f"compute capability {capability}: the limits are known for {', '.join(map(str, LIMITS))}")
    limits = LIMITS[capability]
    warps = -(-threads // WARP)
    per_warp = _round_up(registers * WARP, REGISTER_UNIT)
    registers_hold = REGISTERS // PARTS // per_warp * PARTS if per_warp else limits.warps
    per_block = _round_up(shared + limits.shared_reserved, limits.shared_unit)
    allowed = {
        "warps": limits.warps // warps,
        "blocks": limits.blocks,
        "registers": registers_hold // warps,
        "shared memory": limits.shared // per_block if per_block else limits.blocks,
    }
    if shared > limits.shared_per_block:
        allowed["shared memory"] = 0
    limit = min(allowed, key=allowed.get)
    blocks = allowed[limit]
    return Occupancy(blocks, blocks * warps, limits.warps, limit)


def _round_up(amount: int, unit: int) -> int:
    return -(-amount // unit) * unit
