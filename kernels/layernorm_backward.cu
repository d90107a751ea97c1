// LayerNorm backward: dx = rstd (dx̂ − mean(dx̂) − x̂ mean(dx̂ x̂)), dx̂ = dy γ, and the sums over all rows
// dγ = Σ dy x̂, dβ = Σ dy. μ and rstd come from the forward; x̂ = (x − μ) rstd is made again: two numbers a row are
// cheaper to keep than `width`. Read layernorm.cu before this file.
//
// dx needs sums along the rows, dγ and dβ sums down the columns, over all rows: no block sees them all. So P groups of
// rows are summed first, each into a row of dgamma_partial and dbeta_partial (P, width), and a last launch adds up the
// P rows. No atomics: an atomic sum comes in another order, and with other last bits, on every run.
//
//         idea                                                      launches     bytes     different bytes     requests
//   v1    dx, then the partial sums: dy and x are read twice              3         3.1          1.64           69,472
//   v2    both at once: a warp that has a row at hand adds it to
//         column sums of its own, in shared memory                        2         2.3          1.00           44,896
//   v3    16-byte loads; the row and the column sums in registers         2         1.3          1.00            8,032
//
// Counted at 512 rows of 384 floats, P = 16. Bytes: in sectors, all that loads and stores fetch, over the floor
// 3 rows·width + 2 rows + 3 width + 4 P·width numbers; different bytes: each sector once a launch, as with a perfect
// cache. What v3 fetches beyond the floor is γ, once a row, from the cache.
//
// python -m minivit kernel kernels/layernorm_backward.cu --profile    counts what this launch asks of memory:
// launch: layernorm_backward_dx_v1<float><<<2, 128>>>(dx[5, 36], dy[5, 36], x[5, 36], g[36], mean[5], rstd[5], 5, 36)
#include "column_sums.cuh"

// ---- v1: dx, then the partial sums --------------------------------------------------------------------------------

// A warp a row. Both means come before the first dx: two passes over the row.
template <typename T>
__global__ void layernorm_backward_dx_v1(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x,
                                         const T* __restrict__ gamma, const T* __restrict__ mean,
                                         const T* __restrict__ rstd, int rows, int width) {
    int lane = threadIdx.x % WARP;
    size_t row = warp_number();
    if (row >= size_t(rows)) return;  // all 32 lanes or none: the shuffles below need them all
    x += row * width;
    dy += row * width;
    dx += row * width;
    T mu = mean[row], r = rstd[row];
    T sum = 0, sum_xhat = 0;
    for (int c = lane; c < width; c += WARP) {
        T dxhat = dy[c] * gamma[c];
        sum += dxhat;
        sum_xhat += dxhat * ((x[c] - mu) * r);
    }
    T mean_dxhat = warp_sum(sum) / width, mean_dxhat_xhat = warp_sum(sum_xhat) / width;
    for (int c = lane; c < width; c += WARP)
        dx[c] = r * (dy[c] * gamma[c] - mean_dxhat - (x[c] - mu) * r * mean_dxhat_xhat);
}

constexpr int STRIPS = 8;  // warps of a block that share its 32 columns

// The grid is (P, tiles of 32 columns). Block p sums the rows p, p + P, p + 2P, …, dealt out to its warps.
template <typename T>
__global__ void layernorm_backward_partial_v1(T* __restrict__ dgamma_partial, T* __restrict__ dbeta_partial,
                                              const T* __restrict__ dy, const T* __restrict__ x,
                                              const T* __restrict__ mean, const T* __restrict__ rstd, int rows,
                                              int width) {
    __shared__ T partial_gamma[STRIPS][WARP], partial_beta[STRIPS][WARP];
    int c = blockIdx.y * WARP + threadIdx.x;
    T dgamma = 0, dbeta = 0;
    if (c < width) {  // no `return` for the others: they must come to the barrier
        size_t groups = gridDim.x;
        for (size_t row = blockIdx.x + threadIdx.y * groups; row < size_t(rows); row += STRIPS * groups) {
            T d = dy[row * width + c];
            dgamma += d * ((x[row * width + c] - mean[row]) * rstd[row]);
            dbeta += d;
        }
    }
    dgamma = sum_of_strips(partial_gamma, dgamma);
    dbeta = sum_of_strips(partial_beta, dbeta);
    if (threadIdx.y == 0 && c < width) {
        dgamma_partial[size_t(blockIdx.x) * width + c] = dgamma;
        dbeta_partial[size_t(blockIdx.x) * width + c] = dbeta;
    }
}

// The last launch of every version: the sum of the partial rows, of one matrix where blockIdx.y is 0, of the other
// where it is 1. Little is to be read, but nothing goes on until it is done: so there are many small blocks.
template <typename T>
__global__ void layernorm_backward_sum(T* __restrict__ dgamma, T* __restrict__ dbeta,
                                       const T* __restrict__ dgamma_partial, const T* __restrict__ dbeta_partial,
                                       int partials, int width) {
    if (blockIdx.y == 0)
        sum_columns(dgamma, dgamma_partial, partials, width);
    else
        sum_columns(dbeta, dbeta_partial, partials, width);
}

// ---- v2: dx and the partial sums in one launch --------------------------------------------------------------------
// A warp a row, as before, but P blocks that each take many rows, one after another. While a warp has dy and x of a row
// at hand, it adds them to its own column sums in shared memory. A column belongs to one lane of the warp throughout,
// so nobody has to wait for anybody, until the block's warps add up what they have.

template <typename T>
__global__ void layernorm_backward_v2(T* __restrict__ dx, T* __restrict__ dgamma_partial,
                                      T* __restrict__ dbeta_partial, const T* __restrict__ dy, const T* __restrict__ x,
                                      const T* __restrict__ gamma, const T* __restrict__ mean,
                                      const T* __restrict__ rstd, int rows, int width) {
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    T* sums = reinterpret_cast<T*>(shared_memory);  // (warps, 2, width): dgamma and dbeta of each warp
    T* dgamma = sums + 2 * warp * width;
    T* dbeta = dgamma + width;
    for (int c = lane; c < width; c += WARP) dgamma[c] = dbeta[c] = 0;

    for (size_t row = warp_number(); row < size_t(rows); row += size_t(gridDim.x) * warps) {
        const T* x_row = x + row * width;
        const T* dy_row = dy + row * width;
        T mu = mean[row], r = rstd[row];
        T sum = 0, sum_xhat = 0;
        for (int c = lane; c < width; c += WARP) {
            T d = dy_row[c], xhat = (x_row[c] - mu) * r;
            sum += d * gamma[c];
            sum_xhat += d * gamma[c] * xhat;
            dgamma[c] += d * xhat;
            dbeta[c] += d;
        }
        T mean_dxhat = warp_sum(sum) / width, mean_dxhat_xhat = warp_sum(sum_xhat) / width;
        for (int c = lane; c < width; c += WARP)
            dx[row * width + c] = r * (dy_row[c] * gamma[c] - mean_dxhat - (x_row[c] - mu) * r * mean_dxhat_xhat);
    }

    __syncthreads();
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
        T sum_gamma = 0, sum_beta = 0;
        for (int w = 0; w < warps; ++w) {
            sum_gamma += sums[2 * w * width + c];
            sum_beta += sums[(2 * w + 1) * width + c];
        }
        dgamma_partial[size_t(blockIdx.x) * width + c] = sum_gamma;
        dbeta_partial[size_t(blockIdx.x) * width + c] = sum_beta;
    }
}

// ---- v3: 16-byte loads, all in registers --------------------------------------------------------------------------
// As v2, and dy and x of the row are read once: x̂ and dx̂ stay in registers, and so do the column sums, of which a
// lane owns the same VECTORS pieces of 16 bytes in every row. Only γ is read again for each row, from the cache.

// Writes the sum, over the block's warps, of the column sums that each holds in registers. One place in shared memory
// serves dgamma and then dbeta.
template <typename T, int VECTORS>
__device__ __forceinline__ void sum_of_warps(T* __restrict__ to, const Vec<T> (&own)[VECTORS], int width) {
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    T* sums = reinterpret_cast<T*>(shared_memory);  // (warps, width)
#pragma unroll
    for (int k = 0; k < VECTORS; ++k) {
        int c = (k * WARP + lane) * Vec<T>::SIZE;
        if (c < width) store_vec(sums + warp * width + c, own[k]);
    }
    __syncthreads();
    for (int c = threadIdx.x; c < width; c += blockDim.x) {
        T sum = 0;
        for (int w = 0; w < warps; ++w) sum += sums[w * width + c];
        to[c] = sum;
    }
}

template <typename T, int VECTORS>
__global__ void layernorm_backward_v3(T* __restrict__ dx, T* __restrict__ dgamma_partial,
                                      T* __restrict__ dbeta_partial, const T* __restrict__ dy, const T* __restrict__ x,
                                      const T* __restrict__ gamma, const T* __restrict__ mean,
                                      const T* __restrict__ rstd, int rows, int width) {
    constexpr int SIZE = Vec<T>::SIZE;
    int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
    Vec<T> dgamma[VECTORS] = {}, dbeta[VECTORS] = {};  // zeros

    for (size_t row = warp_number(); row < size_t(rows); row += size_t(gridDim.x) * warps) {
        T mu = mean[row], r = rstd[row];
        Vec<T> xhat[VECTORS], dxhat[VECTORS];
        T sum = 0, sum_xhat = 0;
#pragma unroll
        for (int k = 0; k < VECTORS; ++k) {
            int c = (k * WARP + lane) * SIZE;
            if (c < width) {
                xhat[k] = load_vec(x + row * width + c);
                dxhat[k] = load_vec(dy + row * width + c);
                Vec<T> g = load_vec(gamma + c);
#pragma unroll
                for (int j = 0; j < SIZE; ++j) {
                    T d = dxhat[k].at[j];
                    xhat[k].at[j] = (xhat[k].at[j] - mu) * r;
                    dxhat[k].at[j] = d * g.at[j];
                    sum += dxhat[k].at[j];
                    sum_xhat += dxhat[k].at[j] * xhat[k].at[j];
                    dgamma[k].at[j] += d * xhat[k].at[j];
                    dbeta[k].at[j] += d;
                }
            }
        }
        T mean_dxhat = warp_sum(sum) / width, mean_dxhat_xhat = warp_sum(sum_xhat) / width;
#pragma unroll
        for (int k = 0; k < VECTORS; ++k) {
            int c = (k * WARP + lane) * SIZE;
            if (c < width) {
#pragma unroll
                for (int j = 0; j < SIZE; ++j)
                    dxhat[k].at[j] = r * (dxhat[k].at[j] - mean_dxhat - xhat[k].at[j] * mean_dxhat_xhat);
                store_vec(dx + row * width + c, dxhat[k]);
            }
        }
    }

    sum_of_warps<T, VECTORS>(dgamma_partial + size_t(blockIdx.x) * width, dgamma, width);
    __syncthreads();  // dgamma is out of shared memory before dbeta comes in
    sum_of_warps<T, VECTORS>(dbeta_partial + size_t(blockIdx.x) * width, dbeta, width);
}
