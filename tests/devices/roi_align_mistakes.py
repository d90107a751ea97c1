"""Mistakes to be planted in the kernels of RoIAlign, as in kernel_mistakes.py."""

from kernel_mistakes import LOAD_VEC, NOTHING, OUT_OF_BOUNDS, RACE, UNWRITTEN

FORWARD, BACKWARD = "roi_align_forward_v{}".format, "roi_align_backward_v{}".format

MISTAKES = [
    (FORWARD(1), "no guard", "if (i >= size_t(images) * queries * size * size * channels) return;", NOTHING,
     OUT_OF_BOUNDS, ""),
    (FORWARD(1), "what is far outside is looked at", "if (!p.inside || !q.inside) continue;",
     "if (!p.inside) p.first = p.second = int(down.point(row * samples + u, size * samples));", OUT_OF_BOUNDS, ""),
    (FORWARD(2), "no guard", "if (i >= size_t(images) * queries * size * size * vectors) return;", NOTHING,
     OUT_OF_BOUNDS, ""),
    (FORWARD(2), "a thread a number, but a vector each", "store_vec(y + i * SIZE, sum);", "store_vec(y + i, sum);",
     "misaligned", ""),
    (FORWARD(3), "no guard", "if (task >= size_t(images) * queries * size * size * rounds) return;", NOTHING,
     OUT_OF_BOUNDS, ""),
    (FORWARD(3), "no guard of the channels", "if (vector < vectors) store_vec", "store_vec", RACE, ""),
    (FORWARD(3), "no guard of the channels of the map", "if (vector >= vectors) continue;", NOTHING, OUT_OF_BOUNDS,
     LOAD_VEC),
    (BACKWARD(1), "no guard", "if (i >= size_t(images) * places * channels) return;", NOTHING, OUT_OF_BOUNDS, ""),
    (BACKWARD(2), "no guard of the places", "if (task >= size_t(images) * places * rounds) return;", NOTHING,
     OUT_OF_BOUNDS, ""),
    (BACKWARD(2), "no guard of the boxes", "if (first + lane < queries) {", "{", OUT_OF_BOUNDS, ""),
    (BACKWARD(2), "no guard of the channels", "if (vector < vectors) store_vec", "store_vec", RACE, ""),
    (BACKWARD(2), "no guard of the channels of dy", "if (vector >= vectors) continue;", NOTHING, OUT_OF_BOUNDS,
     LOAD_VEC),
]  # fmt: skip

LAUNCHED_WRONGLY = [
    (FORWARD(1), "a block is missing", {"grid": (100,)}, UNWRITTEN, ""),
    (FORWARD(3), "a block is missing", {"grid": (400,)}, UNWRITTEN, ""),
    (BACKWARD(2), "a block is missing", {"grid": (12,)}, UNWRITTEN, ""),
    (BACKWARD(2), "a box too many", {"queries": 36}, OUT_OF_BOUNDS, ""),
]

# Right, and slow.
SLOW = [
    (FORWARD(1), "neighbouring threads are different bins", "size_t i = thread_number();",
     "size_t i = size_t(threadIdx.x) * gridDim.x + blockIdx.x;", "y[i] = sum / T(samples * samples);",
     "the sectors"),
]  # fmt: skip

# Every access is right, and the numbers are not.
WRONG_NUMBERS = [
    (FORWARD(1), "half a place too far: aligned=False", "- T(0.5)) {}", ") {}"),
    (FORWARD(1), "corners of a bin instead of points within", "(T(i) + T(0.5)) / T(n)", "T(i) / T(n)"),
    (FORWARD(2), "the points' sum instead of their mean", "sum.at[e] /= T(samples * samples);", NOTHING),
    (FORWARD(2), "rows and columns change places", "int row = bin / size % size, column = bin % size;",
     "int column = bin / size % size, row = bin % size;"),
    (FORWARD(1), "there is no edge", "at = between(at, T(0), T(places - 1));", NOTHING),
    (FORWARD(2), "a point far outside along one axis counts", "if (!p.inside || !q.inside) continue;",
     "if (!p.inside && !q.inside) continue;"),
    (FORWARD(3), "the last place is left out", "i <= last_row; i += HALF", "i < last_row; i += HALF"),
    (FORWARD(3), "the columns' weights are the rows'", "__shfl_sync(ALL_LANES, weight, HALF + c)",
     "__shfl_sync(ALL_LANES, weight, c)"),
    (BACKWARD(1), "rows and columns of a map change places", "row = within / look.width;\n    column =",
     "column = within / look.width;\n    row ="),
    (BACKWARD(2), "a box that begins within this place is left out", "> between(low, T(0), last) - T(1)",
     ">= between(low, T(0), last)"),
    (BACKWARD(2), "the row's weight is that of the next bin", "__shfl_sync(ALL_LANES, weight, s)",
     "__shfl_sync(ALL_LANES, weight, (s + 1) % HALF)"),
    (BACKWARD(2), "lanes without channels return, and their weights with them", "Vec<T> sum = {};\n    for (int",
     "if (vector >= vectors) return;\n    Vec<T> sum = {};\n    for (int"),
]  # fmt: skip
