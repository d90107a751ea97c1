// Attention, forward, version 6: version 5, in which the tiles of K and V are copied while the block computes.
// attention_ahead.cuh tells how; async_copy.cuh has the instruction, which needs Ampere (sm_80).
//
// It asks for what v5 asks for, and waits less, which cannot be counted. It needs as much shared memory, and two
// registers more: 130 on sm_80.
//
// python -m minivit kernel kernels/attention_ahead.cu --profile    counts what this launch asks of memory:
// launch: attention_forward_v6<float, 8, 4, 4, 4><<<1, 128, 16384>>>(out[33, 8], lse[33], qkv[33, 3, 8], null, 33, 0.2)
#include "attention_ahead.cuh"

template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_forward_v6(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ qkv,
                                     const T* __restrict__ bias, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    attend_ahead<Block>(head_of_out<d>(out, N), lse + head_start(N), attention_of_qkv<d>(qkv, bias, N, scale));
}
