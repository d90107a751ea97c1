// The products of attention, made of tiles in shared memory: what forward v5 and backward v3 are built from. All that
// attention_forward.cuh and attention_backward.cuh know of them is what a thread has of the scores and of a result, and
// how the products are made: attention_tensor.cuh has the same names for tensor cores.
//
// A block owns WARPS · 4 · ROWS rows of a head (queries, or keys) and lets the columns of the score matrix (keys, or
// queries) pass by in tiles of 8 · COLUMNS. Whatever a warp does, it does as 4 groups of 8 lanes:
//
//   8 lanes share a row: 8 · 16 bytes are four sectors, a whole line of the cache
//   4 rows at a time, next to one another; a thread's own ROWS rows are 4 apart
//
// 16-byte accesses to shared memory go 8 lanes at a time, over all 32 banks. So 8 lanes must read one row's
// neighbouring 16 bytes, or the same 16 bytes of 8 rows that begin in different banks: a row's stride is made an odd
// number of 16 bytes.
#pragma once
#include "attention.cuh"

constexpr int ROW_LANES = 8, ROW_GROUPS = WARP / ROW_LANES;

template <typename T, int d, int WARPS, int ROWS, int COLUMNS>
struct Tiles {
    using Number = T;
    static constexpr int WIDTH = d, THREAD_ROWS = ROWS, THREAD_COLUMNS = COLUMNS;
    static constexpr int SIZE = Vec<T>::SIZE;                          // numbers in 16 bytes
    static constexpr int VECTORS = d / SIZE;                           // 16 bytes in a row
    static constexpr int PER_LANE = (VECTORS + ROW_LANES - 1) / ROW_LANES;
    static constexpr int STRIDE = (VECTORS | 1) * SIZE;                // of a row in shared memory
    static constexpr int BLOCK_ROWS = WARPS * ROW_GROUPS * ROWS;
    static constexpr int BLOCK_COLUMNS = ROW_LANES * COLUMNS;
    static constexpr int ROW_TILE = BLOCK_ROWS * STRIDE;               // numbers in a tile
    static constexpr int COLUMN_TILE = BLOCK_COLUMNS * STRIDE;
    // 4 groups store 8 neighbouring weights each, in 4 rows: 8 more than a multiple of 16 puts them in different banks.
    static constexpr int WEIGHTS_STRIDE = BLOCK_COLUMNS % 16 == 0 ? BLOCK_COLUMNS + 8 : BLOCK_COLUMNS;
    static_assert(d % SIZE == 0, "a row must be a multiple of 16 bytes");

    using Scores = T[ROWS][COLUMNS];        // a thread's rows with its columns, which are 8 apart
    using Sums = Vec<T>[ROWS][PER_LANE];    // a thread's rows of a result, its share of the width d

    static __device__ __forceinline__ int lane_in_row() { return threadIdx.x % ROW_LANES; }

    // A thread's first row in its block; and where its rows and columns lie in the block and in the tile.
    static __device__ __forceinline__ int first_row() {
        int warp = threadIdx.x / WARP, group = threadIdx.x % WARP / ROW_LANES;
        return warp * ROW_GROUPS * ROWS + group;
    }
    static __device__ __forceinline__ int row(int r) { return first_row() + r * ROW_GROUPS; }
    static __device__ __forceinline__ int column(int c) { return lane_in_row() + c * ROW_LANES; }

    // False for a warp whose rows all lie past the end: it helps to copy, but has nothing to compute.
    static __device__ __forceinline__ bool warp_has_rows(int block_row, int N) {
        return block_row + int(threadIdx.x / WARP) * ROW_GROUPS * ROWS < N;
    }

    // Rows of a head, from `first` on, times `factor`, into a tile; zeros where the head has ended.
    template <int TILE_ROWS>
    static __device__ __forceinline__ void copy(T* tile, Head<const T> head, int first, int N, T factor = T(1)) {
        for (int r = threadIdx.x / ROW_LANES; r < TILE_ROWS; r += WARPS * ROW_GROUPS) {
#pragma unroll
            for (int k = 0; k < PER_LANE; ++k) {
                int c = (lane_in_row() + k * ROW_LANES) * SIZE;
                if (c >= d) break;
                Vec<T> v = {};
                if (first + r < N) v = load_vec(head.row(first + r) + c);
#pragma unroll
                for (int e = 0; e < SIZE; ++e) v.at[e] *= factor;
                store_vec(tile + r * STRIDE + c, v);
            }
        }
    }

    // scores[r][k] = row r of `rows` · row k of `columns`: every 16 bytes that are read serve COLUMNS or ROWS products.
    static __device__ __forceinline__ void products(Scores& scores, const T* rows, const T* columns) {
        rows += first_row() * STRIDE;
        columns += lane_in_row() * STRIDE;
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
#pragma unroll
            for (int k = 0; k < COLUMNS; ++k) scores[r][k] = 0;
        for (int c = 0; c < d; c += SIZE) {
            Vec<T> row[ROWS], column[COLUMNS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) row[r] = load_vec(rows + r * ROW_GROUPS * STRIDE + c);
#pragma unroll
            for (int k = 0; k < COLUMNS; ++k) column[k] = load_vec(columns + k * ROW_LANES * STRIDE + c);
#pragma unroll
            for (int e = 0; e < SIZE; ++e)
#pragma unroll
                for (int r = 0; r < ROWS; ++r)
#pragma unroll
                    for (int k = 0; k < COLUMNS; ++k) scores[r][k] += row[r].at[e] * column[k].at[e];
        }
    }

    // The thread's scores into the warp's rows of `weights`, where the other 7 lanes of the row find them.
    static __device__ __forceinline__ void share(T* weights, const Scores& scores) {
        weights += first_row() * WEIGHTS_STRIDE + lane_in_row();
        __syncwarp();  // all have read what was there before
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
#pragma unroll
            for (int k = 0; k < COLUMNS; ++k) weights[r * ROW_GROUPS * WEIGHTS_STRIDE + k * ROW_LANES] = scores[r][k];
        __syncwarp();  // all is written
    }

    // sums[r] += Σ_j scores[r][j] · row j of the tile, for this lane's share of the width; the row's scores, of all
    // lanes, go through `weights`. Where 8 lanes have fewer than 8 vectors left, the last lanes all take the last one:
    // they stay with the others, and store() leaves them out.
    static __device__ __forceinline__ void add_mix(Sums& sums, const Scores& scores, const T* tile, T* weights) {
        share(weights, scores);
        weights += first_row() * WEIGHTS_STRIDE;
        for (int j = 0; j < BLOCK_COLUMNS; j += SIZE) {
            Vec<T> weight[ROWS];
#pragma unroll
            for (int r = 0; r < ROWS; ++r) weight[r] = load_vec(weights + r * ROW_GROUPS * WEIGHTS_STRIDE + j);
#pragma unroll
            for (int e = 0; e < SIZE; ++e) {
#pragma unroll
                for (int k = 0; k < PER_LANE; ++k) {
                    int c = min(lane_in_row() + k * ROW_LANES, VECTORS - 1) * SIZE;
                    Vec<T> v = load_vec(tile + (j + e) * STRIDE + c);
#pragma unroll
                    for (int r = 0; r < ROWS; ++r)
#pragma unroll
                        for (int x = 0; x < SIZE; ++x) sums[r][k].at[x] += weight[r].at[e] * v.at[x];
                }
            }
        }
    }

    // The sum, and the largest, of the 8 lanes that share a row.
    static __device__ __forceinline__ T row_sum(T v) {
#pragma unroll
        for (int bit = ROW_LANES / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
        return v;
    }
    static __device__ __forceinline__ T row_max(T v) {
#pragma unroll
        for (int bit = ROW_LANES / 2; bit > 0; bit /= 2) v = largest(v, __shfl_xor_sync(ALL_LANES, v, bit));
        return v;
    }

    static __device__ __forceinline__ void multiply(Sums& sums, int r, T factor) {
#pragma unroll
        for (int k = 0; k < PER_LANE; ++k)
#pragma unroll
            for (int x = 0; x < SIZE; ++x) sums[r][k].at[x] *= factor;
    }

    // sums[r] to a row of memory. c counts vectors here: of store_vec(row + SIZE * c, …) NVRTC made four small stores.
    static __device__ __forceinline__ void store(T* row, const Sums& sums, int r) {
#pragma unroll
        for (int k = 0; k < PER_LANE; ++k) {
            int c = lane_in_row() + k * ROW_LANES;
            if (c < VECTORS) reinterpret_cast<Vec<T>*>(row)[c] = sums[r][k];
        }
    }
};
