"""Mistakes to be planted in the kernels of deformable attention, as in kernel_mistakes.py."""

from kernel_mistakes import ABSENT, NOTHING, OUT_OF_BOUNDS, RACE, UNWRITTEN

FORWARD, SAMPLES, CELLS = "deformable_forward", "deformable_backward_samples", "deformable_backward_cells"
HAS = "if (!place.has(corner, level)) continue;"

MISTAKES = [
    (f"{FORWARD}_v1", "no guard", "if (i >= size_t(B) * Q * H * d) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{FORWARD}_v1", "cells outside of the map", "if (place.has(corner, level))\n", "", OUT_OF_BOUNDS,
     "sum += weight * place.share(corner)"),
    (f"{FORWARD}_v2", "no guard", "if (head >= size_t(B) * Q * H) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{FORWARD}_v2", "cells outside of the map", HAS, NOTHING, OUT_OF_BOUNDS, "Vec<T> v = load_vec("),
    (f"{FORWARD}_v2", "lanes without a vector", "c < d; c += LANES * SIZE", "c < LANES * SIZE; c += LANES * SIZE",
     RACE, "store_vec(y + head * d + c, sum);"),
    (f"{SAMPLES}_v1", "no guard", "if (head >= size_t(B) * Q * H) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{SAMPLES}_v2", "lanes without a vector return", "if (place.touches) {",
     "if (threadIdx.x % LANES * SIZE >= d) return;\n    if (place.touches) {", ABSENT,
     "__shfl_xor_sync(ALL_LANES, v, bit)"),
    (f"{SAMPLES}_v2", "lanes whose sample is nowhere return", "if (place.touches) {", "if (!place.touches) return;\n {",
     UNWRITTEN, ""),
    (f"{SAMPLES}_v2", "every lane stores", "if (there && threadIdx.x % LANES == 0)", "if (there)", RACE,
     "dlocation[0] = "),
    (f"{SAMPLES}_v2", "a location is one number", "gradient.store(dlocations + 2 * sample",
     "gradient.store(dlocations + sample", RACE, "dlocation["),
    ("deformable_keys", "no guard", "if (sample >= size_t(samples)) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{CELLS}_v1", "no guard", "if (i >= size_t(B) * S * H * d) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{CELLS}_v2", "no guard", "if (cell_and_head >= size_t(B) * S * H) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (f"{CELLS}_v2", "a margin all around", "(row + 1) * (level.width + 1) + column + 1",
     "(row + 1) * (level.width + 2) + column + 1", OUT_OF_BOUNDS, "starts[key + 1]"),
    (f"{CELLS}_v2", "lanes without a vector", "c < d; c += LANES * SIZE", "c < LANES * SIZE; c += LANES * SIZE", RACE,
     "store_vec(dvalue + cell_and_head * d + c, sum);"),
]  # fmt: skip

LAUNCHED_WRONGLY = [
    (f"{FORWARD}_v2", "a block too few", {"grid": (1,)}, UNWRITTEN, ""),
    (f"{FORWARD}_v1", "one more map than there is", {"L": 3}, OUT_OF_BOUNDS, "return {levels[3 * l]"),
    (f"{CELLS}_v2", "one more map than there is", {"L": 3}, OUT_OF_BOUNDS, "cell >= levels[3 * (l + 1) + 2]"),
]  # fmt: skip

SLOW: list = []

# Every access is right, and the numbers are not.
WRONG_NUMBERS = [
    (f"{FORWARD}_v2", "half a cell off", "level.width - T(0.5)", "level.width"),
    (f"{FORWARD}_v2", "x goes down", "T x = location[0]", "T x = location[1]"),
    (f"{FORWARD}_v1", "the far cell's share for the near one", "corner % 2 ? across", "corner % 2 == 0 ? across"),
    (f"{SAMPLES}_v2", "half of the shuffles", "int bit = LANES / 2", "int bit = LANES / 4"),
    (f"{SAMPLES}_v1", "moves are in cells", "weight * across * level.width", "weight * across"),
    (f"{SAMPLES}_v1", "the weight is forgotten", "dlocation[1] = weight * down", "dlocation[1] = down"),
    ("deformable_keys", "two places with one key", "(level.width + 1)", "level.width"),
    (f"{CELLS}_v1", "every head's samples are the first one's", "(b * Q + q) * H + h", "(b * Q + q) * H"),
    (f"{CELLS}_v2", "the upper left corner alone", "row - corner / 2, column - corner % 2", "row, column"),
]  # fmt: skip
