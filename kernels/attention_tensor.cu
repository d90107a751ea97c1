// Attention by tensor cores, from Ampere on (sm_80), floats alone. The same steps as before, forward (version 6's) and
// backward (version 4's): only who makes the products is another, and that is in attention_tensor.cuh.
//
//   forward v7, backward v5    TF32: a product is off by up to 2 · 2⁻¹¹ of its terms. Never chosen unasked
//   forward v8, backward v6    three TF32 terms: as exact as floats, for three times as many products
//
// What moves in shared memory is a fifth of version 5's, forward, and a seventh of version 3's, backward (attention.cu
// and attention_backward.cu have the counts): a product of 1,024 multiplications takes a lane two loads, or three with
// a tile of 32 columns, and no weights go through memory.
//
// python -m minivit kernel kernels/attention_tensor.cu --profile    counts what this launch asks of memory:
// launch: attention_forward_v7<8, 4, 4, 1><<<1, 128, 9216>>>(out[33, 8], lse[33], qkv[33, 3, 8], null, 33, 0.2)
#include "attention_ahead.cuh"
#include "attention_backward.cuh"
#include "attention_tensor.cuh"

template <int d, int WARPS, int KEYS, int TERMS>
__global__ void attention_forward_v7(float* __restrict__ out, float* __restrict__ lse, const float* __restrict__ qkv,
                                     const float* __restrict__ bias, int N, float scale) {
    using Block = TensorTiles<d, WARPS, KEYS, TERMS>;
    attend_ahead<Block>(head_of_out<d>(out, N), lse + head_start(N), attention_of_qkv<d>(qkv, bias, N, scale));
}

template <int d, int WARPS, int QUERIES, int TERMS>
__global__ void attention_backward_keys_v5(float* __restrict__ dqkv, const float* __restrict__ qkv,
                                           const float* __restrict__ bias, const float* __restrict__ dout,
                                           const float* __restrict__ lse, const float* __restrict__ delta, int N,
                                           float scale) {
    using Block = TensorTiles<d, WARPS, QUERIES, TERMS>;
    keys_backward<Block>(head_of_qkv<d>(dqkv, KEY, N), head_of_qkv<d>(dqkv, VALUE, N),
                         attention_of_qkv<d>(qkv, bias, N, scale), upstream_of<d>(dout, lse, delta, N));
}

template <int d, int WARPS, int KEYS, int TERMS>
__global__ void attention_backward_queries_v5(float* __restrict__ dqkv, const float* __restrict__ qkv,
                                              const float* __restrict__ bias, const float* __restrict__ dout,
                                              const float* __restrict__ lse, const float* __restrict__ delta, int N,
                                              float scale) {
    using Block = TensorTiles<d, WARPS, KEYS, TERMS>;
    queries_backward<Block>(head_of_qkv<d>(dqkv, QUERY, N), attention_of_qkv<d>(qkv, bias, N, scale),
                            upstream_of<d>(dout, lse, delta, N));
}

// Launched where there is a bias, and for all images at once.
template <int d, int WARPS, int KEYS, int TERMS>
__global__ void attention_backward_bias_v5(float* __restrict__ dbias, const float* __restrict__ qkv,
                                           const float* __restrict__ bias, const float* __restrict__ dout,
                                           const float* __restrict__ lse, const float* __restrict__ delta, int B, int N,
                                           float scale) {
    using Block = TensorTiles<d, WARPS, KEYS, TERMS>;
    bias_backward<Block>(dbias, B, attention_of_qkv<d>(qkv, bias, N, scale), upstream_of<d>(dout, lse, delta, N));
}
