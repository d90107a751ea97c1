// Attention, backward, version 3: the kernels of attention_backward.cu, which says why there are so many, with 16-byte
// loads and stores and several rows and columns a thread. Their steps are in attention_backward.cuh: cross_attention.cu
// is made of them, too.
//
// python -m minivit kernel kernels/attention_backward_v3.cu --profile    counts what this launch asks of memory:
// launch: attention_backward_delta_v3<float, 24><<<3, 128>>>(delta[33], out[33, 24], dout[33, 24], 33)
#include "attention_backward.cuh"

// delta, 8 lanes a row; 4, 2 or 1 where its vectors are no more: 8 floats are two.
template <typename T, int d>
__global__ void attention_backward_delta_v3(T* __restrict__ delta, const T* __restrict__ out,
                                            const T* __restrict__ dout, int N) {
    constexpr int VECTORS = d / Vec<T>::SIZE, LANES = VECTORS > 4 ? 8 : VECTORS > 2 ? 4 : VECTORS;
    int row = thread_number() / LANES, lane = threadIdx.x % LANES;
    const T *y = head_of_out<d>(out, N).row(row), *dy = head_of_out<d>(dout, N).row(row);
    T sum = 0;
    if (row < N) {
        for (int c = lane * Vec<T>::SIZE; c < d; c += LANES * Vec<T>::SIZE) {
            Vec<T> a = load_vec(y + c), b = load_vec(dy + c);
#pragma unroll
            for (int e = 0; e < Vec<T>::SIZE; ++e) sum += a.at[e] * b.at[e];
        }
    }
#pragma unroll
    for (int bit = LANES / 2; bit > 0; bit /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, bit);  // all lanes take part
    if (row < N && lane == 0) delta[head_start(N) + row] = sum;
}

template <typename T, int d, int WARPS, int ROWS, int QUERIES>
__global__ void attention_backward_keys_v3(T* __restrict__ dqkv, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, QUERIES>;
    keys_backward<Block>(head_of_qkv<d>(dqkv, KEY, N), head_of_qkv<d>(dqkv, VALUE, N),
                         attention_of_qkv<d>(qkv, bias, N, scale), upstream_of<d>(dout, lse, delta, N));
}

template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_backward_queries_v3(T* __restrict__ dqkv, const T* __restrict__ qkv,
                                              const T* __restrict__ bias, const T* __restrict__ dout,
                                              const T* __restrict__ lse, const T* __restrict__ delta, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    queries_backward<Block>(head_of_qkv<d>(dqkv, QUERY, N), attention_of_qkv<d>(qkv, bias, N, scale),
                            upstream_of<d>(dout, lse, delta, N));
}

// Launched where there is a bias, and for all images at once.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_backward_bias_v3(T* __restrict__ dbias, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int B, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    bias_backward<Block>(dbias, B, attention_of_qkv<d>(qkv, bias, N, scale), upstream_of<d>(dout, lse, delta, N));
}
