"""Mistakes to be planted in the kernels of cross-attention, as in kernel_mistakes.py. Most take one count for another.

Their steps are also self-attention's, and what else can go wrong in these is planted there.
"""

from kernel_mistakes import LOAD_VEC, OUT_OF_BOUNDS, RACE, UNWRITTEN

STORE = "reinterpret_cast<Vec<T>*>(row)[c] = sums[r][k];"

MISTAKES = [
    ("cross_attention_forward", "the next tile overwrites this one",
     "__syncthreads();  // all have done with the last tile", "//", RACE, "Block::products(scores, q_tile, k_tile);"),
    ("cross_attention_forward", "as many queries as keys are read", "q_tile, q, block_query, Nq, scale",
     "q_tile, q, block_query, Nk, scale", OUT_OF_BOUNDS, LOAD_VEC),
    ("cross_attention_forward", "as many queries as keys are stored", "lse, block_query, Nq);",
     "lse, block_query, Nk);", OUT_OF_BOUNDS, STORE),
    ("cross_attention_forward", "kv without its keys' place", "(kv, part - KEY, N, b)", "(kv, part, N, b)",
     OUT_OF_BOUNDS, LOAD_VEC),
    ("cross_attention_forward", "rows as far apart as in qkv", "head_of<d, 2>(kv", "head_of<d, 3>(kv", OUT_OF_BOUNDS,
     LOAD_VEC),
    ("cross_attention_forward", "the bias of more queries", "if (bias && query < Nq && key < Nk)",
     "if (bias && query < Nk && key < Nk)", OUT_OF_BOUNDS, "return bias[(blockIdx.y * size_t(Nq) + i) * Nk + j];"),
    ("cross_attention_forward", "a number for each key", "head_of_out<d>(out, Nq), lse + head_start(Nq)",
     "head_of_out<d>(out, Nq), lse + head_start(Nk)", OUT_OF_BOUNDS,
     "lse[query] = (maximum[r] + log2(total)) * T(LN_2);"),
    ("cross_attention_backward_keys", "as many queries as keys", "query < Nq ? lse[query]", "query < Nk ? lse[query]",
     OUT_OF_BOUNDS, "T query_lse = query < Nk ? lse[query]"),
    ("cross_attention_backward_keys", "as many keys as queries", "if (key >= Nk) continue;", "if (key >= Nq) continue;",
     UNWRITTEN, ""),
    ("cross_attention_backward_keys", "dV over dK", "head_of_kv<d>(dkv, VALUE, Nk)", "head_of_kv<d>(dkv, KEY, Nk)",
     UNWRITTEN, ""),
    ("cross_attention_backward_queries", "dq as long as kv", "head_of_out<d>(dq, Nq)", "head_of_out<d>(dq, Nk)",
     OUT_OF_BOUNDS, STORE),
    ("cross_attention_backward_queries", "the tile is read too soon", "Nk);\n        __syncthreads();\n", "Nk);\n",
     RACE, LOAD_VEC),
    ("cross_attention_backward_bias", "images as far apart as those of kv", "q.image(b, Nq)", "q.image(b, Nk)",
     OUT_OF_BOUNDS, LOAD_VEC),
    ("cross_attention_backward_bias", "as many tiles as queries have", "key_tiles = (Nk +", "key_tiles = (Nq +",
     UNWRITTEN, ""),
    ("cross_attention_backward_bias", "rows of dbias as long as its columns", "+ query) * Nk + key] = sum",
     "+ query) * Nq + key] = sum", RACE, "dbias[(blockIdx.y * size_t(Nq) + query) * Nq + key] = sum[r][c];"),
    ("cross_attention_backward_bias", "a number for each key", "size_t(b) * gridDim.y * Nq",
     "size_t(b) * gridDim.y * Nk", OUT_OF_BOUNDS, "lse[r] = query < Nq ? head_lse[query] : T(0);"),
]  # fmt: skip

LAUNCHED_WRONGLY = [
    ("cross_attention_forward", "the counts change places", {"Nq": 70, "Nk": 33}, OUT_OF_BOUNDS,
     "lse[query] = (maximum[r] + log2(total)) * T(LN_2);"),
    ("cross_attention_backward_keys", "blocks for the queries", {"grid": (1, 2, 2)}, UNWRITTEN, ""),
    ("cross_attention_backward_keys", "too little shared memory", {"shared": 4096}, OUT_OF_BOUNDS,
     "weights[r * ROW_GROUPS * WEIGHTS_STRIDE + k * ROW_LANES] = scores[r][k];"),
]  # fmt: skip

SLOW = [
    ("cross_attention_forward", "no padding of the tiles", "(VECTORS | 1) * SIZE", "VECTORS * SIZE",
     "Block::products(scores, q_tile, k_tile);", "2-way bank conflict"),
]  # fmt: skip

WRONG_NUMBERS = [
    ("cross_attention_forward", "as many keys as queries", "first_key < Nk;", "first_key < Nq;"),
    ("cross_attention_forward", "rows of the bias as long as its columns", "+ i) * Nk + j]", "+ i) * Nq + j]"),
    ("cross_attention_backward_bias", "images as far apart as those of q", "k.image(b, Nk)", "k.image(b, Nq)"),
    ("cross_attention_backward_queries", "values for keys", "add_mix(sum, ds, k_", "add_mix(sum, ds, v_"),
]  # fmt: skip
