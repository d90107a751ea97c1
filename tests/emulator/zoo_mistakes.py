"""Mistakes to be found: each is one replacement in a kernel of zoo/ that is right, and what the checker must say of it.

To add one: (file in zoo/, what was done, text, its replacement, kind of the finding, the line that it must name). The
line is given by its text; "" where no line is to blame. A replacement in the `// launch:` comment changes the launch.
"""

BARRIER, NOTHING = "__syncthreads();", ""

MISTAKES = [
    # a tree of sums
    ("row_sum.cu", "no barrier before the tree", "partial[t] = sum;\n    __syncthreads();", "partial[t] = sum;",
     "race", "if (t < half) partial[t] += partial[t + half];"),
    ("row_sum.cu", "no barrier in the tree", "+ half];\n        __syncthreads();", "+ half];",
     "race", "if (t < half) partial[t] += partial[t + half];"),
    ("row_sum.cu", "a warp's barrier for a block's", "partial[t] = sum;\n    __syncthreads();",
     "partial[t] = sum;\n    __syncwarp();", "race", "if (t < half) partial[t] += partial[t + half];"),
    ("row_sum.cu", "no __syncwarp in the last warp", "__syncwarp();", NOTHING,
     "race", "if (t < half) partial[t] += partial[t + half];"),
    ("row_sum.cu", "a mask that leaves lanes out", "__syncwarp();", "__syncwarp(0xffffu);",
     "mask without its caller", "__syncwarp(0xffffu);"),
    ("row_sum.cu", "a barrier in the branch", "if (t < half) partial[t] += partial[t + half];\n        " + BARRIER,
     "if (t < half) { partial[t] += partial[t + half]; __syncthreads(); }",
     "barrier after return", "if (t < half) { partial[t] += partial[t + half]; __syncthreads(); }"),
    ("row_sum.cu", "one element too many", "c < width", "c <= width", "out of bounds", "sum += row[c];"),
    ("row_sum.cu", "a shared array too small", "partial[THREADS]", "partial[THREADS / 2]",
     "array index", "partial[t] = sum;"),
    ("row_sum.cu", "every thread stores", "if (t == 0) sums", "sums", "race", "sums[blockIdx.x] = partial[0];"),
    ("row_sum.cu", "every block stores to one place", "sums[blockIdx.x]", "sums[0]", "race", "if (t == 0) sums[0]"),
    ("row_sum.cu", "a block that is not started", "<<<3, 128>>>", "<<<2, 128>>>", "unwritten", ""),
    ("row_sum.cu", "a step that never shrinks", "half > 0; half /= 2", "half > 0; half /= 1",
     "endless loop", ""),  # the time limit ends it in any of the loop's lines
    # a tiled transpose
    ("transpose.cu", "no barrier", BARRIER, NOTHING, "race", "y[column * rows + r] = tile"),
    ("transpose.cu", "no guard of the rows", "if (r < rows && c < width)", "if (c < width)",
     "out of bounds", "tile[i][threadIdx.x] = x[r * width + c];"),
    ("transpose.cu", "a tile too narrow", "[TILE + 1]", "[TILE - 1]", "array index", "tile[i][threadIdx.x] = x["),
    ("transpose.cu", "half of the tile is loaded", "int i = threadIdx.y; i < TILE", "int i = threadIdx.y; i < TILE / 2",
     "uninitialised", "y[column * rows + r] = tile"),
    ("transpose.cu", "an int that overflows", "r * width + c", "r * width * 100000000 + c",
     "integer overflow", "x[r * width"),
    # LayerNorm by blocks
    ("layernorm.cu", "the second sum overwrites the first", "__syncthreads();  // everyone", "// everyone",
     "race", "if (lane == 0) partial[warp] = v;"),
    ("layernorm.cu", "no barrier between the warps", "= v;\n    __syncthreads();", "= v;",
     "race", "sum += partial[w];"),
    ("layernorm.cu", "all lanes store the same", "if (lane == 0) partial", "partial", "race", "partial[warp] = v;"),
    ("layernorm.cu", "sums of warps that are not there", "warps = blockDim.x / 32", "warps = 32",
     "uninitialised", "sum += partial[w];"),
    ("layernorm.cu", "a barrier for one lane", "partial[warp] = v;\n    __syncthreads();",
     "{ partial[warp] = v; __syncthreads(); }", "deadlock", "v += __shfl_xor_sync"),
    ("layernorm.cu", "half a warp", "<<<4, 96>>>", "<<<4, 80>>>",
     "shuffle from an absent lane", "v += __shfl_xor_sync"),
    ("layernorm.cu", "the threads beyond the row return", "const float* row = x",
     "if (threadIdx.x >= 64) return;\n    const float* row = x", "barrier after return", "__syncthreads();"),
    # softmax by warps
    ("softmax.cu", "no guard of the rows", "if (row >= rows) return;", NOTHING,
     "out of bounds", "largest = fmaxf(largest, x[c]);"),
    ("softmax.cu", "a mask of half the warp", "fmaxf(largest, __shfl_xor_sync(0xffffffffu",
     "fmaxf(largest, __shfl_xor_sync(0xffffu", "shuffle from an absent lane", "__shfl_xor_sync(0xffffu"),
    ("softmax.cu", "a shuffle in a branch", "for (int bit = 16; bit > 0; bit /= 2) sum",
     "if (lane < 16) for (int bit = 16; bit > 0; bit /= 2) sum", "shuffle from an absent lane", "if (lane < 16) for"),
    ("softmax.cu", "some lanes return early", "if (row >= rows) return;", "if (row >= rows || lane > 29) return;",
     "shuffle from an absent lane", "largest = fmaxf(largest, __shfl_xor_sync"),
    ("softmax.cu", "an input is written", "y[c] = expf", "const_cast<float*>(x)[c] = expf",
     "read-only", "const_cast<float*>(x)[c]"),
    ("softmax.cu", "the row is not counted in rows", "y += row * width;", "y += row;", "race", "y[c] = expf("),
    # attention with a tile of keys
    ("attention.cu", "the next tile overwrites this one", "__syncthreads();  // everyone", "// everyone",
     "race", "keys[i / D * STRIDE + i % D] = inside"),
    ("attention.cu", "the tile is read too soon", "        }\n        __syncthreads();", "        }",
     "race", "keys[lane * STRIDE + d];"),
    ("attention.cu", "too little shared memory", "<<<20, 64, 8704>>>", "<<<20, 64, 8448>>>",
     "out of bounds", "queries[warp * D + lane] = row"),
    ("attention.cu", "no guard of the keys", "inside ? k[first * D + i] : 0", "k[first * D + i]",
     "out of bounds", "keys[i / D * STRIDE + i % D] = k["),
    ("attention.cu", "a null pointer", "k[40, 32]", "null", "wild pointer", "keys[i / D * STRIDE + i % D] = inside"),
    # a histogram with atomics
    ("histogram.cu", "no barrier after the zeros", "= 0;\n    __syncthreads();", "= 0;",
     "race", "atomicAdd(&mine[labels[i]], 1);"),
    ("histogram.cu", "no zeros", "if (threadIdx.x < CLASSES) mine[threadIdx.x] = 0;", NOTHING,
     "uninitialised", "atomicAdd(&mine[labels[i]], 1);"),
    ("histogram.cu", "no atomic in the block", "atomicAdd(&mine[labels[i]], 1);", "++mine[labels[i]];",
     "race", "++mine[labels[i]];"),
    ("histogram.cu", "no atomic between blocks", "atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);",
     "counts[threadIdx.x] += mine[threadIdx.x];", "race", "counts[threadIdx.x] += mine"),
    ("histogram.cu", "no barrier before the sum", "1);\n    __syncthreads();", "1);",
     "race", "atomicAdd(&counts[threadIdx.x]"),
    ("histogram.cu", "one thread too many", "(threadIdx.x < CLASSES) atomicAdd", "(threadIdx.x <= CLASSES) atomicAdd",
     "array index", "atomicAdd(&counts[threadIdx.x]"),
    # 16-byte loads
    ("scale.cu", "a misaligned load", "float4*>(x)[i]", "float4*>(x + 1)[i]", "misaligned", "float4 v ="),
    ("scale.cu", "a vector too many", "if (i < n / 4)", "if (i <= n / 4)", "out of bounds", "float4 v ="),
    ("scale.cu", "the tail is forgotten", "if (i < n % 4)", "if (false)", "unwritten", ""),
    ("scale.cu", "an array a little too short", "y[330]", "y[329]", "out of bounds", "if (i < n % 4) y["),
    ("scale.cu", "a division by zero", "i < n / 4", "i < n / (n % 2)", "division by zero", "if (i < n / (n % 2))"),
    ("scale.cu", "a pointer gone wild", "*>(y)[i]", "*>(y)[i * 100000000ll]", "wild pointer", "make_float4"),
    # the last block's trick
    ("total.cu", "no fence", "__threadfence();", NOTHING, "race", "all += sums[b];"),
    ("total.cu", "the count is no atomic", "atomicInc(arrived, gridDim.x - 1)", "(*arrived)++",
     "race", "last = (*arrived)++"),
    ("total.cu", "nobody waits for the count", "    __syncthreads();\n    if (last", "    if (last",
     "race", "if (last && threadIdx.x == 0)"),
    ("total.cu", "the output is read", "*sum = all;", "*sum += all;", "uninitialised", "*sum += all;"),
    # a tiled product
    ("matmul.cu", "the tiles are read too soon", "__syncthreads();\n        for", "for",
     "race", "sum += left[y][i] * right[i][x];"),
    ("matmul.cu", "the tiles are overwritten", "right[i][x];\n        __syncthreads();", "right[i][x];",
     "race", "left[y][x] ="),
    ("matmul.cu", "no guard of the inner length", "row < rows && k + x < inner", "row < rows",
     "out of bounds", "left[y][x] = row < rows ?"),
    ("matmul.cu", "a barrier on either side of a branch", "__syncthreads();\n        for",
     "if (x < 8) __syncthreads(); else __syncthreads();\n        for",
     "divergent barrier", "if (x < 8) __syncthreads();"),
    # lanes in groups
    ("neighbours.cu", "no __syncwarp", "__syncwarp(group);", NOTHING, "race", "float right = box["),
    ("neighbours.cu", "the groups do not wait for one another", "t / 8 * 8 + (t + 1) % 8", "(t + 1) % 40",
     "race", "float right = box["),
    ("neighbours.cu", "a mask too small", "0xffu", "0x7fu", "mask without its caller", "__syncwarp(group);"),
]  # fmt: skip

# Padding taken away: right, and slow. The profile tells: (file, what, text, replacement, line, ways of the conflict).
SLOW = [
    ("transpose.cu", "a tile without padding", "[TILE + 1]", "[TILE]", "y[column * rows + r] = tile", 32),
    ("attention.cu", "keys without padding", "STRIDE = D + 1", "STRIDE = D", "keys[lane * STRIDE + d];", 32),
]  # fmt: skip
