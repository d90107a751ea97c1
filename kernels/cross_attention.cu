// Cross-attention, forward and backward: Nq queries of some tokens look at Nk keys and values of others. A classifier's
// last block asks for its class token alone (Nq = 1); a decoder has queries of its own.
//
// The steps are those of self-attention's best version, in attention_forward.cuh and attention_backward.cuh: they are
// told where Q, K and V lie, and two counts instead of one. What is new is the choice of tiles, in launches/tiles.py.
// A warp makes 4 · ROWS rows of scores at a time, and with ROWS = 4 it would make 16 where one is asked for. So:
//
//   up to 4 queries   ROWS = 1, up to 8 ROWS = 2: one warp has them all, a second helps it to copy keys and values
//   dK and dV         queries are the columns: 8 instead of 32
//
// Counted, for a head of ViT-B: Nk = 197, d = 64, float, no bias; in brackets, with the tiles of many queries. The
// backward is three kernels: delta is attention_backward_delta_v3, which knows queries only.
//
//                        requests   sectors moved   different bytes   turns of shared memory   shared bytes a block
//   Nq = 1    forward         205           3,169           101,408       5,196    (7,408)       20,864   (45,056)
//             backward        691           9,661           304,544      22,272   (46,088)       23,040   (39,936)
//   Nq = 100  forward         525           7,929           152,480      46,736                  45,056
//             backward      2,875          34,837           483,872     250,712                  39,936
//
// No turn is for a bank conflict. Different bytes are the floor: 2 (Nq + Nk) d + Nq numbers forward, (7 Nq + 6 Nk) d
// and a few Nq backward. All 197 queries, as self-attention, move 15,810 and 59,712 sectors. Where one block has all
// queries, keys and values are read once, and few queries cost what reading the keys costs. With less shared memory
// more blocks share a multiprocessor: 7 of an A100's instead of 3, forward.
//
// python -m minivit kernel kernels/cross_attention.cu --profile    counts what this launch asks of memory:
// launch: cross_attention_forward<float, 8, 2, 1, 4><<<1, 64, 4736>>>(out[8], lse[1], q[8], kv[528], null, 1, 33, 0.2)
#include "attention_backward.cuh"
#include "attention_forward.cuh"

// A head of rows that are whole 16 bytes: whoever launches these widens others with zeros.
template <int d, typename T>
__device__ __forceinline__ Attention<T> attention_of(const T* q, const T* kv, const T* bias, int Nq, int Nk, T scale) {
    return {head_of_out<d>(q, Nq), head_of_kv<d>(kv, KEY, Nk), head_of_kv<d>(kv, VALUE, Nk), bias, Nq, Nk, scale};
}

template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void cross_attention_forward(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ q,
                                        const T* __restrict__ kv, const T* __restrict__ bias, int Nq, int Nk, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    attend<Block>(head_of_out<d>(out, Nq), lse + head_start(Nq), attention_of<d>(q, kv, bias, Nq, Nk, scale));
}

template <typename T, int d, int WARPS, int ROWS, int QUERIES>
__global__ void cross_attention_backward_keys(T* __restrict__ dkv, const T* __restrict__ q, const T* __restrict__ kv,
                                              const T* __restrict__ bias, const T* __restrict__ dout,
                                              const T* __restrict__ lse, const T* __restrict__ delta, int Nq, int Nk,
                                              T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, QUERIES>;
    keys_backward<Block>(head_of_kv<d>(dkv, KEY, Nk), head_of_kv<d>(dkv, VALUE, Nk),
                         attention_of<d>(q, kv, bias, Nq, Nk, scale), upstream_of<d>(dout, lse, delta, Nq));
}

template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void cross_attention_backward_queries(T* __restrict__ dq, const T* __restrict__ q, const T* __restrict__ kv,
                                                 const T* __restrict__ bias, const T* __restrict__ dout,
                                                 const T* __restrict__ lse, const T* __restrict__ delta, int Nq, int Nk,
                                                 T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    queries_backward<Block>(head_of_out<d>(dq, Nq), attention_of<d>(q, kv, bias, Nq, Nk, scale),
                            upstream_of<d>(dout, lse, delta, Nq));
}

// Launched where there is a bias, and for all images at once.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void cross_attention_backward_bias(T* __restrict__ dbias, const T* __restrict__ q, const T* __restrict__ kv,
                                              const T* __restrict__ bias, const T* __restrict__ dout,
                                              const T* __restrict__ lse, const T* __restrict__ delta, int B, int Nq,
                                              int Nk, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    bias_backward<Block>(dbias, B, attention_of<d>(q, kv, bias, Nq, Nk, scale), upstream_of<d>(dout, lse, delta, Nq));
}
