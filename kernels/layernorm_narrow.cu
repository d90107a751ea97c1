// LayerNorm of narrow rows, at most 16 vectors of 16 bytes: 64 floats. Read layernorm.cu, layernorm_backward.cu first.
//
// Their fastest versions give a warp to a row. A row of 24 floats is 6 vectors: 26 of the 32 lanes have nothing to do,
// and the warp's ten shuffles are spent on 24 numbers. The one idea here: LANES lanes take a row, the least power of
// two with a vector for each, and the warp has 32 / LANES rows at a time. Neighbouring rows lie side by side in
// memory, so that a warp's load is as good as before.
//
// Maps of small pyramids are such rows: thousands of tokens, 16 to 64 wide.
//
// python -m minivit kernel kernels/layernorm_narrow.cu --profile    counts what this launch asks of memory:
// launch: layernorm_narrow_forward<float, 2><<<1, 128>>>(y[9, 8], mean[9], rstd[9], x[9, 8], g[8], b[8], 9, 8, 1e-6)
#include "common.cuh"

// The sum of v over the LANES neighbouring lanes that share a row, known to each of them. All 32 lanes must call it.
template <typename T, int LANES>
__device__ __forceinline__ T row_sum(T v) {
#pragma unroll
    for (int bit = LANES / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
    return v;
}

template <typename T, int LANES>
__global__ void layernorm_narrow_forward(T* __restrict__ y, T* __restrict__ mean, T* __restrict__ rstd,
                                         const T* __restrict__ x, const T* __restrict__ gamma,
                                         const T* __restrict__ beta, int rows, int width, T eps) {
    constexpr int SIZE = Vec<T>::SIZE;
    int c = threadIdx.x % LANES * SIZE;
    size_t row = thread_number() / LANES;
    bool there = row < size_t(rows) && c < width;  // no `return` for the others: the shuffles need all lanes
    Vec<T> v = {};  // zeros add nothing to the sum
    if (there) v = load_vec(x + row * width + c);
    T sum = 0, squares = 0;
#pragma unroll
    for (int j = 0; j < SIZE; ++j) sum += v.at[j];
    T mu = row_sum<T, LANES>(sum) / width;
    if (there) {
#pragma unroll
        for (int j = 0; j < SIZE; ++j) {
            v.at[j] -= mu;
            squares += v.at[j] * v.at[j];
        }
    }
    T r = T(1) / sqrt(row_sum<T, LANES>(squares) / width + eps);
    if (!there) return;  // no shuffle comes any more
    Vec<T> g = load_vec(gamma + c), b = load_vec(beta + c);
#pragma unroll
    for (int j = 0; j < SIZE; ++j) v.at[j] = v.at[j] * r * g.at[j] + b.at[j];
    store_vec(y + row * width + c, v);
    if (c == 0) {
        mean[row] = mu;
        rstd[row] = r;
    }
}

// Writes the sum, over the block's rows at a time, of the column sums that each has in registers. One place in shared
// memory serves dgamma and then dbeta.
template <typename T, int LANES>
__device__ __forceinline__ void sum_of_groups(T* __restrict__ to, const Vec<T>& own, int width) {
    int group = threadIdx.x / LANES, groups = blockDim.x / LANES, c = threadIdx.x % LANES * Vec<T>::SIZE;
    T* sums = reinterpret_cast<T*>(shared_memory);  // (groups, width)
    if (c < width) store_vec(sums + group * width + c, own);
    __syncthreads();
    for (int k = threadIdx.x; k < width; k += blockDim.x) {
        T sum = 0;
        for (int g = 0; g < groups; ++g) sum += sums[g * width + k];
        to[k] = sum;
    }
}

// As layernorm_backward_v3: P blocks that each take many rows, dx, and a row of both partial sums, which
// layernorm_backward_sum adds up. A lane owns the same columns of every row, so γ, too, is read once and kept.
template <typename T, int LANES>
__global__ void layernorm_narrow_backward(T* __restrict__ dx, T* __restrict__ dgamma_partial,
                                          T* __restrict__ dbeta_partial, const T* __restrict__ dy,
                                          const T* __restrict__ x, const T* __restrict__ gamma,
                                          const T* __restrict__ mean, const T* __restrict__ rstd, int rows, int width) {
    constexpr int SIZE = Vec<T>::SIZE;
    int group = threadIdx.x / LANES, groups = blockDim.x / LANES, c = threadIdx.x % LANES * SIZE;
    Vec<T> g = {}, dgamma = {}, dbeta = {};
    if (c < width) g = load_vec(gamma + c);

    // All threads go as many rounds, whether their group still has a row or not: the shuffles need all lanes.
    for (size_t first = size_t(blockIdx.x) * groups; first < size_t(rows); first += size_t(gridDim.x) * groups) {
        size_t row = first + group;
        bool there = row < size_t(rows) && c < width;
        Vec<T> xhat = {}, dxhat = {};
        T r = 0, sum = 0, sum_xhat = 0;
        if (there) {
            T mu = mean[row];
            r = rstd[row];
            xhat = load_vec(x + row * width + c);
            dxhat = load_vec(dy + row * width + c);
#pragma unroll
            for (int j = 0; j < SIZE; ++j) {
                T d = dxhat.at[j];
                xhat.at[j] = (xhat.at[j] - mu) * r;
                dxhat.at[j] = d * g.at[j];
                sum += dxhat.at[j];
                sum_xhat += dxhat.at[j] * xhat.at[j];
                dgamma.at[j] += d * xhat.at[j];
                dbeta.at[j] += d;
            }
        }
        T mean_dxhat = row_sum<T, LANES>(sum) / width, mean_dxhat_xhat = row_sum<T, LANES>(sum_xhat) / width;
        if (there) {
#pragma unroll
            for (int j = 0; j < SIZE; ++j)
                dxhat.at[j] = r * (dxhat.at[j] - mean_dxhat - xhat.at[j] * mean_dxhat_xhat);
            store_vec(dx + row * width + c, dxhat);
        }
    }

    sum_of_groups<T, LANES>(dgamma_partial + size_t(blockIdx.x) * width, dgamma, width);
    __syncthreads();  // dgamma is out of shared memory before dbeta comes in
    sum_of_groups<T, LANES>(dbeta_partial + size_t(blockIdx.x) * width, dbeta, width);
}
