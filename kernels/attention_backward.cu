// Attention, backward, with nothing of size N² in memory: P is made again from the saved lse, P = exp(S − lse).
// minivit/ops/attention.py derives the formulas; version 1, as they stand, is in attention_materialised.cu.
//
//   dV = Pᵀ dout,   dP = dout Vᵀ,   dS = P (dP − delta),   dQ = dS K / √d,   dK = dSᵀ Q / √d,   dbias = Σ_B dS
//
// delta = Σ_j P dP of a row looks like a sum over all keys, but Σ_j P_ij (dout_i · v_j) = dout_i · out_i: one dot
// product of what is there already, made by the first kernel.
//
// dK and dV are sums over queries, dQ is one over keys. So there are two kernels, each with its sums in registers: one
// owns a tile of keys and lets the queries pass by, the other owns queries and lets the keys pass by. S and dP are made
// twice, but there are no atomics: each sum is made in one order, and two runs give the same bits. dbias is a sum over
// images: another kernel, started only where there is a bias, owns a tile of S and lets the images pass by.
//
//   v2  scalar tiles, with a padding against bank conflicts
//   v3  (attention_backward_v3.cu) 16 bytes at a time; several rows and columns a thread; scores as powers of two
//   v4  v3, with as large tiles as there is room for, if a block may have more than 48 KB: 64 rows, not 32, 4 a thread
//   v5  (attention_tensor.cu) products by tensor cores, in TF32; v6, in three terms of it
//
// lse is rounded as the scores are: at scores of 1e4 a float P that is made from it is good to 1e-3.
//
// Counted, for a head of ViT-B: N = 197, d = 64, float, no bias; all three kernels:
//
//        requests   sectors moved   turns of shared memory, for conflicts   shuffles and __syncwarp (warps)
//   v2     20,291          64,025        1,328,768            0                         985
//   v3      5,100          59,712          455,336            0                       1,206
//   v4      3,300          40,200          304,784            0
//   v5      4,200          40,800           61,632            0
//
// v6 asks for what v5 does. Different bytes are 659,616 in all: 13 N d numbers and a few N. One kernel that did it all
// could do with 8 N d, but would need atomics. With blocks of R rows (32 in v2 and v3, 64 from v4 on) what moves is
// (9 + 4 ⌈N/R⌉) N d numbers and a few N.
//
// python -m minivit kernel kernels/attention_backward.cu --profile    counts what this launch asks of memory:
// launch: attention_backward_delta_v2<float, 12><<<5, 256>>>(delta[33], out[33, 12], dout[33, 12], 33)
#include "attention.cuh"

constexpr int THREADS = 256;  // in a block of v2

// delta = Σ dout · out of a row, a warp a row.
template <typename T, int d>
__global__ void attention_backward_delta_v2(T* __restrict__ delta, const T* __restrict__ out,
                                            const T* __restrict__ dout, int N) {
    int row = warp_number(), lane = threadIdx.x % WARP;
    if (row >= N) return;
    const T *y = head_of_out<d>(out, N).row(row), *dy = head_of_out<d>(dout, N).row(row);
    T sum = 0;
    for (int c = lane; c < d; c += WARP) sum += y[c] * dy[c];
    sum = warp_sum(sum);
    if (lane == 0) delta[head_start(N) + row] = sum;
}

// TILE rows each of Q, K, V and dout in shared memory, and what they give: P and dS of TILE queries with TILE keys.
template <typename T, int d, int TILE>
struct Square {
    static constexpr int STRIDE = d | 1, SIDE = TILE + 1;  // odd: 32 lanes in 32 rows meet 32 banks
    T q[TILE * STRIDE], k[TILE * STRIDE], v[TILE * STRIDE], dout[TILE * STRIDE];
    T p[TILE * SIDE], ds[TILE * SIDE];

    // P and dS of query i and key j of this tile. lse, delta: of this head.
    __device__ __forceinline__ void element(T& p_ij, T& ds_ij, int i, int j, int first_query, int first_key,
                                            const T* bias, const T* lse, const T* delta, int N, T scale) const {
        int query = first_query + i, key = first_key + j;
        p_ij = ds_ij = 0;
        if (query >= N || key >= N) return;
        T score = 0, dp = 0;
        for (int c = 0; c < d; ++c) {
            score += q[i * STRIDE + c] * k[j * STRIDE + c];
            dp += dout[i * STRIDE + c] * v[j * STRIDE + c];
        }
        score *= scale;
        if (bias) score += bias_of(bias, query, key, N, N);
        p_ij = exp(score - lse[query]);
        ds_ij = p_ij * (dp - delta[query]);
    }

    __device__ __forceinline__ void fill(int first_query, int first_key, const T* bias, const T* lse, const T* delta,
                                         int N, T scale) {
        for (int e = threadIdx.x; e < TILE * TILE; e += THREADS) {
            int i = e / TILE, j = e % TILE;
            T p_ij, ds_ij;
            element(p_ij, ds_ij, i, j, first_query, first_key, bias, lse, delta, N, scale);
            p[i * SIDE + j] = p_ij;
            ds[i * SIDE + j] = ds_ij;
        }
    }
};

// dK and dV of TILE keys. A thread owns PER_THREAD elements of each.
template <typename T, int d, int TILE>
__global__ void attention_backward_keys_v2(T* __restrict__ dqkv, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int N, T scale) {
    using Tile = Square<T, d, TILE>;
    constexpr int PER_THREAD = (TILE * d + THREADS - 1) / THREADS, STRIDE = Tile::STRIDE, SIDE = Tile::SIDE;
    Tile& tile = *reinterpret_cast<Tile*>(shared_memory);
    int first_key = blockIdx.x * TILE;
    T dk[PER_THREAD] = {}, dv[PER_THREAD] = {};
    copy_rows<d, STRIDE>(tile.k, head_of_qkv<d>(qkv, KEY, N), first_key, TILE, N);
    copy_rows<d, STRIDE>(tile.v, head_of_qkv<d>(qkv, VALUE, N), first_key, TILE, N);
    for (int first_query = 0; first_query < N; first_query += TILE) {
        __syncthreads();  // all have done with the last tile
        copy_rows<d, STRIDE>(tile.q, head_of_qkv<d>(qkv, QUERY, N), first_query, TILE, N);
        copy_rows<d, STRIDE>(tile.dout, head_of_out<d>(dout, N), first_query, TILE, N);
        __syncthreads();  // the new one is there
        tile.fill(first_query, first_key, bias, lse + head_start(N), delta + head_start(N), N, scale);
        __syncthreads();  // P and dS are there
#pragma unroll
        for (int k = 0; k < PER_THREAD; ++k) {
            int e = threadIdx.x + k * THREADS, j = e / d, c = e % d;
            if (e >= TILE * d) break;
            for (int i = 0; i < TILE; ++i) {
                dv[k] += tile.p[i * SIDE + j] * tile.dout[i * STRIDE + c];
                dk[k] += tile.ds[i * SIDE + j] * tile.q[i * STRIDE + c];
            }
        }
    }
#pragma unroll
    for (int k = 0; k < PER_THREAD; ++k) {
        int e = threadIdx.x + k * THREADS, key = first_key + e / d, c = e % d;
        if (e >= TILE * d || key >= N) break;
        head_of_qkv<d>(dqkv, KEY, N).row(key)[c] = dk[k] * scale;
        head_of_qkv<d>(dqkv, VALUE, N).row(key)[c] = dv[k];
    }
}

// dQ of TILE queries.
template <typename T, int d, int TILE>
__global__ void attention_backward_queries_v2(T* __restrict__ dqkv, const T* __restrict__ qkv,
                                              const T* __restrict__ bias, const T* __restrict__ dout,
                                              const T* __restrict__ lse, const T* __restrict__ delta, int N, T scale) {
    using Tile = Square<T, d, TILE>;
    constexpr int PER_THREAD = (TILE * d + THREADS - 1) / THREADS, STRIDE = Tile::STRIDE, SIDE = Tile::SIDE;
    Tile& tile = *reinterpret_cast<Tile*>(shared_memory);
    int first_query = blockIdx.x * TILE;
    T dq[PER_THREAD] = {};
    copy_rows<d, STRIDE>(tile.q, head_of_qkv<d>(qkv, QUERY, N), first_query, TILE, N);
    copy_rows<d, STRIDE>(tile.dout, head_of_out<d>(dout, N), first_query, TILE, N);
    for (int first_key = 0; first_key < N; first_key += TILE) {
        __syncthreads();
        copy_rows<d, STRIDE>(tile.k, head_of_qkv<d>(qkv, KEY, N), first_key, TILE, N);
        copy_rows<d, STRIDE>(tile.v, head_of_qkv<d>(qkv, VALUE, N), first_key, TILE, N);
        __syncthreads();
        tile.fill(first_query, first_key, bias, lse + head_start(N), delta + head_start(N), N, scale);
        __syncthreads();
#pragma unroll
        for (int k = 0; k < PER_THREAD; ++k) {
            int e = threadIdx.x + k * THREADS, i = e / d, c = e % d;
            if (e >= TILE * d) break;
            for (int j = 0; j < TILE; ++j) dq[k] += tile.ds[i * SIDE + j] * tile.k[j * STRIDE + c];
        }
    }
#pragma unroll
    for (int k = 0; k < PER_THREAD; ++k) {
        int e = threadIdx.x + k * THREADS, query = first_query + e / d, c = e % d;
        if (e >= TILE * d || query >= N) break;
        head_of_qkv<d>(dqkv, QUERY, N).row(query)[c] = dq[k] * scale;
    }
}

// dbias of TILE queries and TILE keys, the images one after another.
template <typename T, int d, int TILE>
__global__ void attention_backward_bias_v2(T* __restrict__ dbias, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int B, int N, T scale) {
    using Tile = Square<T, d, TILE>;
    constexpr int PER_THREAD = (TILE * TILE + THREADS - 1) / THREADS, STRIDE = Tile::STRIDE;
    Tile& tile = *reinterpret_cast<Tile*>(shared_memory);
    int tiles = (N + TILE - 1) / TILE;
    int first_query = blockIdx.x / tiles * TILE, first_key = blockIdx.x % tiles * TILE;
    T sum[PER_THREAD] = {};
    for (int b = 0; b < B; ++b) {
        __syncthreads();
        copy_rows<d, STRIDE>(tile.q, head_of_qkv<d>(qkv, QUERY, N, b), first_query, TILE, N);
        copy_rows<d, STRIDE>(tile.k, head_of_qkv<d>(qkv, KEY, N, b), first_key, TILE, N);
        copy_rows<d, STRIDE>(tile.v, head_of_qkv<d>(qkv, VALUE, N, b), first_key, TILE, N);
        copy_rows<d, STRIDE>(tile.dout, head_of_out<d>(dout, N, b), first_query, TILE, N);
        __syncthreads();
        const T *head_lse = lse + head_start(N, b), *head_delta = delta + head_start(N, b);
#pragma unroll
        for (int k = 0; k < PER_THREAD; ++k) {
            int e = threadIdx.x + k * THREADS, i = e / TILE, j = e % TILE;
            if (e >= TILE * TILE) break;
            T p_ij, ds_ij;
            tile.element(p_ij, ds_ij, i, j, first_query, first_key, bias, head_lse, head_delta, N, scale);
            sum[k] += ds_ij;
        }
    }
#pragma unroll
    for (int k = 0; k < PER_THREAD; ++k) {
        int e = threadIdx.x + k * THREADS, query = first_query + e / TILE, key = first_key + e % TILE;
        if (e < TILE * TILE && query < N && key < N) dbias[(blockIdx.y * size_t(N) + query) * N + key] = sum[k];
    }
}
