"""Mistakes to be planted in the last rungs of attention, in sums of columns, random numbers and augmentation:
kernel_mistakes.py says how."""

from kernel_mistakes import NOTHING, OUT_OF_BOUNDS, RACE

AHEAD, TENSOR, KEYS = "attention_forward_v6", "attention_forward_v7", "attention_backward_keys_v5"
WAIT_FOR_K = "wait_for_copies();\n        __syncthreads();  // K"
STORE = "moved[(start + size_t(row) * width + column) * channels + channel] = between(upper, lower, from_y - top);"
NEXT_K = "if (next_key < Nk) start_tile<Block>(k_tile, k, next_key, Nk);"

MISTAKES = [
    (AHEAD, "K is not waited for", WAIT_FOR_K, "__syncthreads();  // K", RACE, ""),
    (AHEAD, "others' copies of K are read too soon", "__syncthreads();  // K is there", "//", RACE, ""),
    (AHEAD, "others' copies of V are read too soon", "__syncthreads();  // V is there", "//", RACE, ""),
    (AHEAD, "the next K overwrites this one", "        wait_for_copies();\n        __syncthreads();  // V",
     "start_tile<Block>(k_tile, k, 0, Nk);\n        wait_for_copies();\n        __syncthreads();  // V", RACE, ""),
    (AHEAD, "no guard of the keys", "there ? first + r : 0);", "first + r);\n        there = true;", OUT_OF_BOUNDS, ""),
    (TENSOR, "V is not waited for", "wait_for_copies();\n        __syncthreads();  // V", "__syncthreads();  // V",
     RACE, "b.set(i, tile[(8 * n + i) * STRIDE + 8 * m]);"),
    (TENSOR, "no guard of the queries", "if (query >= Nq) continue;", NOTHING, OUT_OF_BOUNDS, ""),
    (TENSOR, "every lane stores", "if (Block::lane_in_row() == 0) lse", "lse", RACE,
     "lse[query] = (maximum[r] + log2(total)) * T(LN_2);"),
    (KEYS, "the tile is read too soon", "__syncthreads();  // the new one is there", "//", RACE, ""),
    ("column_sums", "no guard of the width", "if (c < width) {  // no", "{  // no", OUT_OF_BOUNDS,
     "sum += from[size_t(row) * width + c];"),
    ("column_sums", "no barrier", "= v;\n    __syncthreads();", "= v;", RACE, "v += partial[strip][threadIdx.x];"),
    ("philox_uniform", "no guard of the last numbers", "if (first + e < size_t(n)) out", "out", OUT_OF_BOUNDS, ""),
    ("philox_normal", "whole vectors everywhere", "if (first + Vec<T>::SIZE <= size_t(n)) {", "if (true) {",
     OUT_OF_BOUNDS, ""),
    ("move_images", "no guard of the edges", "if (row >= height || column >= width) return;", NOTHING, RACE, STORE),
    ("move_images", "no guard of the points", "        is_point = is_point && ", "        is_point = ",
     OUT_OF_BOUNDS, "points[d][r][c] = is_point ?"),
    ("move_images", "outside of the image is looked up", "return inside ? images", "return true ? images",
     OUT_OF_BOUNDS, "return true ? images"),
    ("move_images", "no barrier before the columns", "__syncthreads();  // points", "//", RACE,
     "T weight = down[r][k];"),
    ("move_images", "no barrier before the rows", "__syncthreads();  // the smooth", "//", RACE,
     "bent[d] += weight * smooth[d][r][k];"),
]  # fmt: skip

LAUNCHED_WRONGLY = [
    (AHEAD, "too little shared memory", {"shared": 4096}, OUT_OF_BOUNDS, ""),
    (TENSOR, "too little shared memory", {"shared": 64}, OUT_OF_BOUNDS, ""),
    ("column_sums", "too few blocks", {"grid": (1,)}, "unwritten", ""),
    ("move_images", "a tile is missing", {"grid": (3, 1, 3)}, "unwritten", ""),
]

SLOW = [
    (TENSOR, "no padding after a row", "(VECTORS | 1) * SIZE", "VECTORS * SIZE",
     "b.set(i, columns[8 * n * STRIDE", "2-way bank conflict"),
    ("move_images", "no padding of the weights", "across[SIDE][SIDE + 1]", "across[SIDE][SIDE]",
     "T weight = across[c][k];", "8-way bank conflict"),
]  # fmt: skip

# Every access is right, and the numbers are not.
WRONG_NUMBERS = [
    (TENSOR, "rows for columns of A", "rows[i % 2 * 8 * STRIDE + k + i / 2 * 4]",
     "rows[i / 2 * 8 * STRIDE + k + i % 2 * 4]"),
    (TENSOR, "the tile's rows in their own order", "tile += 2 * place()", "tile += place()"),
    (TENSOR, "the sum over half of a row's lanes", "for (int bit = 2; bit > 0; bit /= 2) v +=",
     "for (int bit = 1; bit > 0; bit /= 2) v +="),
    (KEYS, "two columns change places", "2 * place() + c % 2;", "2 * place() + 1 - c % 2;"),
    ("philox_uniform", "nine rounds", "round < 10", "round < 9"),
    ("move_images", "half of a pixel's weights are squared", "int bit = SIDE / 2", "int bit = SIDE / 4"),
    ("move_images", "the other image's turn", "draws[2 * count + image]", "draws[2 * count]"),
    ("move_images", "turned the other way", "cosine * x - sine * y", "cosine * x + sine * y"),
]  # fmt: skip
