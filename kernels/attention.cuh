// Where a head lies in memory: what all kernels of attention share.
//
//   qkv, dqkv   (B, N, 3, H, d)   as the product x W_qkv leaves it: nothing is copied to bring the heads together
//   out, dout   (B, N, H, d)      as the projection wants it
//   bias        (H, N, N)         or null; added to the scores
//   lse, delta  (B, H, N)         a number for each query
//
// All kernels run on a grid (work within a head, H, B): blockIdx.y is the head h and blockIdx.z the image b (at most
// 65535 of each), and thread_number() is the thread's number among those that work on its head. Those that sum over
// images have no z. d, the width of a head, is a template parameter: the compiler unrolls the loops over it.
#pragma once
#include "common.cuh"

constexpr int QUERY = 0, KEY = 1, VALUE = 2;  // the three parts of qkv
constexpr double LOWEST = -3e38;  // below every finite score; a float holds it. −∞ would do worse: −∞ − (−∞) is NaN

// One head of one image: N rows of d numbers, each `stride` after the last.
template <typename T>
struct Head {
    T* start;
    size_t stride;
    __device__ __forceinline__ T* row(int i) const { return start + i * stride; }
};

template <int d, typename T>
__device__ __forceinline__ Head<T> head_of_qkv(T* qkv, int part, int N, int b = blockIdx.z) {
    size_t h = blockIdx.y, H = gridDim.y;
    return {qkv + ((size_t(b) * N * 3 + part) * H + h) * d, 3 * H * d};
}

template <int d, typename T>
__device__ __forceinline__ Head<T> head_of_out(T* out, int N, int b = blockIdx.z) {
    size_t h = blockIdx.y, H = gridDim.y;
    return {out + (size_t(b) * N * H + h) * d, H * d};
}

// The first of this head's N numbers in lse or delta; times N, of its N² in an array (B, H, N, N).
__device__ __forceinline__ size_t head_start(int N, int b = blockIdx.z) {
    return (size_t(b) * gridDim.y + blockIdx.y) * N;
}

// The bias that the score of query i and key j gets.
template <typename T>
__device__ __forceinline__ T bias_of(const T* bias, int i, int j, int N) {
    return bias[(blockIdx.y * size_t(N) + i) * N + j];
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
