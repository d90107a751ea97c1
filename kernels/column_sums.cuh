// The sum of each column of a matrix in one launch, as layernorm_backward.cu and column_sums.cu want it.
#pragma once
#include "common.cuh"

// Adds up what the strips of a block, (COLUMNS, STRIPS) threads, have each summed of the same columns. The result is
// known to the first strip, threadIdx.y == 0.
template <typename T, int STRIPS, int COLUMNS>
__device__ T sum_of_strips(T (&partial)[STRIPS][COLUMNS], T v) {
    partial[threadIdx.y][threadIdx.x] = v;
    __syncthreads();
    if (threadIdx.y == 0) {
        for (int strip = 1; strip < STRIPS; ++strip) v += partial[strip][threadIdx.x];
    }
    return v;
}

// A block takes 8 columns and 32 rows at a time: as few columns as still are whole sectors, so that there are as many
// blocks as can be, of which each thread has as few rows as can be. With 32 columns a matrix of 768 would keep 24 of
// 132 multiprocessors busy.
constexpr int NARROW = 8, TALL = 32;

// to[c] = Σ_row from[row, c], by blocks of (NARROW, TALL) threads, one for each NARROW columns.
template <typename T>
__device__ __forceinline__ void sum_columns(T* to, const T* from, int rows, int width) {
    __shared__ T partial[TALL][NARROW];
    int c = blockIdx.x * NARROW + threadIdx.x;
    T sum = 0;
    if (c < width) {  // no `return` for the others: they must come to the barrier
        for (int row = threadIdx.y; row < rows; row += TALL) sum += from[size_t(row) * width + c];
    }
    sum = sum_of_strips(partial, sum);
    if (threadIdx.y == 0 && c < width) to[c] = sum;
}
