// Where a head lies in memory: what all kernels of attention share.
//
//   qkv, dqkv   (B, N, 3, H, d)   as the product x W_qkv leaves it: nothing is copied to bring the heads together
//   out, dout   (B, N, H, d)      as the projection wants it
//   bias        (H, N, N)         or null; added to the scores
//   lse, delta  (B, H, N)         a number for each query
//
// Where the Nq queries are not those of the Nk keys, what belongs to queries has Nq for N, and qkv comes in two:
//
//   q, dq       (B, Nq, H, d)
//   kv, dkv     (B, Nk, 2, H, d)
//   bias        (H, Nq, Nk)
//
// All kernels run on a grid (work within a head, H, B): blockIdx.y is the head h and blockIdx.z the image b (at most
// 65535 of each), and thread_number() is the thread's number among those that work on its head. Those that sum over
// images have no z. d, the width of a head, is a template parameter: the compiler unrolls the loops over it.
#pragma once
#include "common.cuh"

constexpr int QUERY = 0, KEY = 1, VALUE = 2;  // the three parts of qkv; kv has the last two
constexpr double LOWEST = -3e38;  // below every finite score; a float holds it. −∞ would do worse: −∞ − (−∞) is NaN
constexpr double LOG2_E = 1.4426950408889634, LN_2 = 0.6931471805599453;  // exp(x) is exp2(x log₂e)

// One head of one image: N rows of d numbers, each `stride` after the last.
template <typename T>
struct Head {
    T* start;
    size_t stride;
    __device__ __forceinline__ T* row(int i) const { return start + i * stride; }

    // The same head, b images further on.
    __device__ __forceinline__ Head image(int b, int N) const { return {start + size_t(b) * N * stride, stride}; }
};

// In an array (B, N, PARTS, H, d).
template <int d, int PARTS, typename T>
__device__ __forceinline__ Head<T> head_of(T* array, int part, int N, int b) {
    size_t h = blockIdx.y, H = gridDim.y;
    return {array + ((size_t(b) * N * PARTS + part) * H + h) * d, PARTS * H * d};
}

template <int d, typename T>
__device__ __forceinline__ Head<T> head_of_qkv(T* qkv, int part, int N, int b = blockIdx.z) {
    return head_of<d, 3>(qkv, part, N, b);
}

template <int d, typename T>
__device__ __forceinline__ Head<T> head_of_kv(T* kv, int part, int N, int b = blockIdx.z) {
    return head_of<d, 2>(kv, part - KEY, N, b);
}

// out and dout, q and dq.
template <int d, typename T>
__device__ __forceinline__ Head<T> head_of_out(T* out, int N, int b = blockIdx.z) {
    return head_of<d, 1>(out, 0, N, b);
}

// What a head's attention is made of.
template <typename T>
struct Attention {
    Head<const T> q, k, v;
    const T* bias;  // of all heads, or null
    int Nq, Nk;     // queries, keys
    T scale;        // 1/√d
};

template <int d, typename T>
__device__ __forceinline__ Attention<T> attention_of_qkv(const T* qkv, const T* bias, int N, T scale) {
    Head<const T> q = head_of_qkv<d>(qkv, QUERY, N), k = head_of_qkv<d>(qkv, KEY, N), v = head_of_qkv<d>(qkv, VALUE, N);
    return {q, k, v, bias, N, N, scale};
}

// The first of this head's N numbers in lse or delta; times N, of its N² in an array (B, H, N, N).
__device__ __forceinline__ size_t head_start(int N, int b = blockIdx.z) {
    return (size_t(b) * gridDim.y + blockIdx.y) * N;
}

// The bias that the score of query i and key j gets.
template <typename T>
__device__ __forceinline__ T bias_of(const T* bias, int i, int j, int Nq, int Nk) {
    return bias[(blockIdx.y * size_t(Nq) + i) * Nk + j];
}

template <typename T>
__device__ __forceinline__ T largest(T a, T b) {
    return a > b ? a : b;
}

// `rows` rows of a head, from `first` on, into shared memory, STRIDE apart; zeros where the head has ended.
template <int d, int STRIDE, typename T>
__device__ __forceinline__ void copy_rows(T* tile, Head<const T> head, int first, int rows, int N) {
    for (int element = threadIdx.x; element < rows * d; element += blockDim.x) {
        int r = element / d, c = element % d;
        tile[r * STRIDE + c] = first + r < N ? head.row(first + r)[c] : T(0);
    }
}
