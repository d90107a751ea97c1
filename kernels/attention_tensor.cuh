// The tiles of attention_tiles.cuh, whose products are made by tensor cores. The memory is laid out alike, and so are
// the blocks, of 16 rows a warp; other lanes have other rows and columns of the scores.
#pragma once
#include "attention_tiles.cuh"
#include "tensor_cores.cuh"

// COLUMNS: eights of columns. TERMS of each product: tensor_cores.cuh.
template <int d, int WARPS, int COLUMNS, int TERMS>
struct TensorTiles : Tiles<float, d, WARPS, 4, COLUMNS> {
    static_assert(d % 8 == 0, "a row must be a multiple of 8 floats");
    static constexpr int STRIDE = Tiles<float, d, WARPS, 4, COLUMNS>::STRIDE;
    static constexpr int THREAD_ROWS = 2, THREAD_COLUMNS = 2 * COLUMNS;
    using Scores = float[THREAD_ROWS][THREAD_COLUMNS];  // of eight columns a lane has two neighbours
    using Sums = float[THREAD_ROWS][d / 4];             // and likewise of the width

    static __device__ __forceinline__ int group() { return threadIdx.x % WARP / 4; }
    static __device__ __forceinline__ int place() { return threadIdx.x % 4; }
    static __device__ __forceinline__ int lane_in_row() { return place(); }
    static __device__ __forceinline__ int row(int r) { return threadIdx.x / WARP * 16 + group() + 8 * r; }
    static __device__ __forceinline__ int column(int c) { return 8 * (c / 2) + 2 * place() + c % 2; }

    // scores = the warp's 16 rows of `rows` · all rows of `columns`. A row's stride is an odd number of 16 bytes: 8
    // groups of 4 neighbouring floats lie in 32 banks.
    static __device__ __forceinline__ void products(Scores& scores, const float* rows, const float* columns) {
        rows += row(0) * STRIDE + place();
        columns += group() * STRIDE + place();
#pragma unroll
        for (int c = 0; c < THREAD_COLUMNS; ++c) scores[0][c] = scores[1][c] = 0;
#pragma unroll
        for (int k = 0; k < d; k += 8) {
            Fragment<4, TERMS> a;
#pragma unroll
            for (int i = 0; i < 4; ++i) a.set(i, rows[i % 2 * 8 * STRIDE + k + i / 2 * 4]);
#pragma unroll
            for (int n = 0; n < COLUMNS; ++n) {
                Fragment<2, TERMS> b;
#pragma unroll
                for (int i = 0; i < 2; ++i) b.set(i, columns[8 * n * STRIDE + k + i * 4]);
                add_product(scores[0][2 * n], scores[0][2 * n + 1], scores[1][2 * n], scores[1][2 * n + 1], a, b);
            }
        }
    }

    // sums += scores · the tile. A lane has columns 2 place and 2 place + 1 of the scores, and should have place and
    // place + 4. But a sum over columns may take them in any order: so these are called so, and the rows of the tile,
    // too. Nothing is handed from lane to lane, and `weights` is not needed.
    static __device__ __forceinline__ void add_mix(Sums& sums, const Scores& scores, const float* tile, float*) {
        tile += 2 * place() * STRIDE + group();
#pragma unroll
        for (int n = 0; n < COLUMNS; ++n) {
            Fragment<4, TERMS> a;
#pragma unroll
            for (int i = 0; i < 4; ++i) a.set(i, scores[i % 2][2 * n + i / 2]);
#pragma unroll
            for (int m = 0; m < d / 8; ++m) {
                Fragment<2, TERMS> b;
#pragma unroll
                for (int i = 0; i < 2; ++i) b.set(i, tile[(8 * n + i) * STRIDE + 8 * m]);
                add_product(sums[0][2 * m], sums[0][2 * m + 1], sums[1][2 * m], sums[1][2 * m + 1], a, b);
            }
        }
    }

    // Of the 4 lanes that share a row.
    static __device__ __forceinline__ float row_sum(float v) {
#pragma unroll
        for (int bit = 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
        return v;
    }
    static __device__ __forceinline__ float row_max(float v) {
#pragma unroll
        for (int bit = 2; bit > 0; bit /= 2) v = largest(v, __shfl_xor_sync(ALL_LANES, v, bit));
        return v;
    }

    static __device__ __forceinline__ void multiply(Sums& sums, int r, float factor) {
#pragma unroll
        for (int c = 0; c < d / 4; ++c) sums[r][c] *= factor;
    }

    // sums[r] to a row of memory: 4 lanes store a sector.
    static __device__ __forceinline__ void store(float* row, const Sums& sums, int r) {
#pragma unroll
        for (int m = 0; m < d / 8; ++m)
            reinterpret_cast<float2*>(row + 8 * m)[place()] = make_float2(sums[r][2 * m], sums[r][2 * m + 1]);
    }
};
