// LayerNorm forward: y = γ x̂ + β, x̂ = (x − μ) rstd, rstd = 1/√(σ² + ε), with μ and σ² of each row of x (rows, width).
// μ and rstd (rows) are kept for the backward. minivit/ops/layernorm.py derives it. Read gelu.cu before this file.
//
// Four versions, one idea each. All find σ² from x − μ in a second pass, since E[x²] − μ² loses every digit where the
// mean is large.
//
//         idea                                          sectors a load of x    × floor    requests     barriers a row
//   v1    a thread a row: the loop of a CPU                 32, for 4           16.2       36,896            0
//   v2    a block a row, sums by a tree in shared memory     4, for 4            3.0       37,888           20
//   v3    a warp a row, sums by shuffles                     4, for 4            3.0       37,888            0
//   v4    16-byte loads, the row kept in registers          16, for 16           2.0        7,168            0
//
// Counted at 512 rows of 384 floats. A sector is 32 bytes, the least that memory hands out; "32, for 4" says that a
// warp's load touches 32 of them, and could do with 4. × floor: all bytes that loads and stores fetch, from memory or
// from a cache, over the floor 2 rows·width + 2 width + 2 rows numbers, which must move whatever one does. v4's second
// half is γ and β, which every row reads again, from the cache. Different sectors, each counted once, are the floor
// itself in all four versions: what a version wins, it wins in what the caches have to do and in how much is under way
// at a time. A request is one load or store of one warp.
//
// python -m minivit kernel kernels/layernorm.cu --profile    counts what this launch asks of memory:
// launch: layernorm_forward_v4<float, 1><<<2, 128>>>(y[5, 36], mean[5], rstd[5], x[5, 36], g[36], b[36], 5, 36, 1e-6)
#include "common.cuh"

// ---- v1: a thread a row -------------------------------------------------------------------------------------------
// Right, and slow: neighbouring threads read numbers that lie a row apart, so each of a warp's 32 numbers comes with a
// sector of its own, of which 28 bytes are not wanted now.

template <typename T>
__global__ void layernorm_forward_v1(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                     const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                                     int rows, int width, T eps) {
    size_t row = thread_number();  // 64 bits, so that row · width is too: it may pass 2³¹
    if (row >= size_t(rows)) return;
    x += row * width;
    y += row * width;
    T sum = 0;
    for (int c = 0; c < width; ++c) sum += x[c];
    T mu = sum / width;
    T squares = 0;
    for (int c = 0; c < width; ++c) squares += (x[c] - mu) * (x[c] - mu);
    T r = T(1) / sqrt(squares / width + eps);
    for (int c = 0; c < width; ++c) y[c] = (x[c] - mu) * r * gamma[c] + beta[c];
    mean[row] = mu;
    rstd[row] = r;
}

// ---- v2: a block a row --------------------------------------------------------------------------------------------
// Neighbouring threads read neighbouring numbers. What they summed they add up through shared memory, half of the
// threads at a time.

// The sum of v over the block's threads, a power of two of them, known to each afterwards. partial: one T a thread.
template <typename T>
__device__ T block_sum(T* partial, T v) {
    int t = threadIdx.x;
    partial[t] = v;
    __syncthreads();  // now all have written, and may read what others wrote
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (t < half) partial[t] += partial[t + half];
        __syncthreads();  // outside the `if`: every thread of the block must come here
    }
    T sum = partial[0];
    __syncthreads();  // all have read the sum before the next call writes over it
    return sum;
}

template <typename T>
__global__ void layernorm_forward_v2(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                     const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                                     int rows, int width, T eps) {
    T* partial = reinterpret_cast<T*>(shared_memory);  // one T a thread: the launch gives the size
    size_t row = blockIdx.x;  // the grid has exactly `rows` blocks
    x += row * width;
    y += row * width;
    T sum = 0;
    for (int c = threadIdx.x; c < width; c += blockDim.x) sum += x[c];
    T mu = block_sum(partial, sum) / width;
    T squares = 0;
    for (int c = threadIdx.x; c < width; c += blockDim.x) squares += (x[c] - mu) * (x[c] - mu);
    T r = T(1) / sqrt(block_sum(partial, squares) / width + eps);
    for (int c = threadIdx.x; c < width; c += blockDim.x) y[c] = (x[c] - mu) * r * gamma[c] + beta[c];
    if (threadIdx.x == 0) {
        mean[row] = mu;
        rstd[row] = r;
    }
}

// ---- v3: a warp a row ---------------------------------------------------------------------------------------------
// The lanes of a warp hand one another their numbers directly, by shuffles: no shared memory, no barrier. A block is
// now only a packet of four warps that know nothing of each other.

template <typename T>
__global__ void layernorm_forward_v3(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                     const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                                     int rows, int width, T eps) {
    int lane = threadIdx.x % WARP;
    size_t row = warp_number();
    if (row >= size_t(rows)) return;  // all 32 lanes or none: the shuffles below need them all
    x += row * width;
    y += row * width;
    T sum = 0;
    for (int c = lane; c < width; c += WARP) sum += x[c];
    T mu = warp_sum(sum) / width;
    T squares = 0;
    for (int c = lane; c < width; c += WARP) squares += (x[c] - mu) * (x[c] - mu);
    T r = T(1) / sqrt(warp_sum(squares) / width + eps);
    for (int c = lane; c < width; c += WARP) y[c] = (x[c] - mu) * r * gamma[c] + beta[c];
    if (lane == 0) {
        mean[row] = mu;
        rstd[row] = r;
    }
}

// ---- v4: 16-byte loads, the row in registers ----------------------------------------------------------------------
// x is read once: each lane keeps its VECTORS pieces of 16 bytes in registers, through all three passes. The loops
// over them must be unrolled, for a register has no address that a running index could pick. The width, a multiple of
// 16 bytes, may end within the last round of vectors.

template <typename T, int VECTORS>
__global__ void layernorm_forward_v4(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                     const T* __restrict__ x, const T* __restrict__ gamma, const T* __restrict__ beta,
                                     int rows, int width, T eps) {
    constexpr int SIZE = Vec<T>::SIZE;
    int lane = threadIdx.x % WARP;
    size_t row = warp_number();
    if (row >= size_t(rows)) return;
    x += row * width;
    y += row * width;
    // Lane 0 holds columns 0 … SIZE−1, lane 1 the next, and 32 lanes on, lane 0 again. What lies past the width is
    // never read, and so need not be set.
    Vec<T> v[VECTORS];
    T sum = 0;
#pragma unroll
    for (int k = 0; k < VECTORS; ++k) {
        int c = (k * WARP + lane) * SIZE;
        if (c < width) {
            v[k] = load_vec(x + c);
#pragma unroll
            for (int j = 0; j < SIZE; ++j) sum += v[k].at[j];
        }
    }
    T mu = warp_sum(sum) / width;
    T squares = 0;
#pragma unroll
    for (int k = 0; k < VECTORS; ++k) {
        if ((k * WARP + lane) * SIZE < width) {
#pragma unroll
            for (int j = 0; j < SIZE; ++j) {
                v[k].at[j] -= mu;
                squares += v[k].at[j] * v[k].at[j];
            }
        }
    }
    T r = T(1) / sqrt(warp_sum(squares) / width + eps);
#pragma unroll
    for (int k = 0; k < VECTORS; ++k) {
        int c = (k * WARP + lane) * SIZE;
        if (c < width) {
            Vec<T> g = load_vec(gamma + c), b = load_vec(beta + c);
#pragma unroll
            for (int j = 0; j < SIZE; ++j) v[k].at[j] = v[k].at[j] * r * g.at[j] + b.at[j];
            store_vec(y + c, v[k]);
        }
    }
    if (lane == 0) {
        mean[row] = mu;
        rstd[row] = r;
    }
}
