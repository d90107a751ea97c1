"""Mistakes to be planted in the LayerNorm kernels of narrow rows, as in kernel_mistakes.py."""

from kernel_mistakes import ABSENT, LOAD_VEC, OUT_OF_BOUNDS, RACE, UNWRITTEN

FORWARD, BACKWARD = "layernorm_narrow_forward", "layernorm_narrow_backward"
THERE = "row < size_t(rows) && c < width;"

MISTAKES = [
    (FORWARD, "no guard of the rows", THERE + "  // no", "c < width;  // no", OUT_OF_BOUNDS, LOAD_VEC),
    (FORWARD, "no test of the width", THERE + "  // no", "row < size_t(rows);  // no", OUT_OF_BOUNDS, LOAD_VEC),
    (FORWARD, "the others return", "Vec<T> v = {};  // zeros", "if (!there) return;\n    Vec<T> v = {};  // zeros",
     ABSENT, "__shfl_xor_sync(ALL_LANES, v, bit)"),
    (FORWARD, "every lane stores", "if (c == 0) {", "{", RACE, "mean[row] = mu;"),
    (BACKWARD, "no test of the width", "bool there = row < size_t(rows) && c < width;",
     "bool there = row < size_t(rows);", OUT_OF_BOUNDS, LOAD_VEC),
    (BACKWARD, "a group goes as many rounds as it has rows", "first < size_t(rows); first +=",
     "first + group < size_t(rows); first +=", "deadlock", ""),
    (BACKWARD, "every group takes the first row", "size_t row = first + group;", "size_t row = first;", RACE, ""),
    (BACKWARD, "no barrier in the sum", "own);\n    __syncthreads();", "own);", RACE, ""),
    (BACKWARD, "no barrier between the sums", "__syncthreads();  // dgamma is", "//", RACE, ""),
]  # fmt: skip

LAUNCHED_WRONGLY = [
    (FORWARD, "too few lanes", {"kernel": f"{FORWARD}<float, 2>"}, UNWRITTEN, ""),
    (BACKWARD, "too little shared memory", {"shared": 16}, OUT_OF_BOUNDS, ""),
]

SLOW: list = []

# Every access is right, and the numbers are not.
WRONG_NUMBERS = [
    (FORWARD, "half of the shuffles", "int bit = LANES / 2", "int bit = LANES / 4"),
    (FORWARD, "what lies past the width is centred, too", "T mu = row_sum<T, LANES>(sum) / width;\n    if (there) {",
     "T mu = row_sum<T, LANES>(sum) / width;\n    {"),
    (BACKWARD, "dβ is that of dx̂", "dbeta.at[j] += d;", "dbeta.at[j] += dxhat.at[j];"),
]  # fmt: skip
