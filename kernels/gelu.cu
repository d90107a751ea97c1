// GELU, y = x Φ(x), and its backward dx = dy (Φ(x) + x φ(x)), element by element. minivit/ops/gelu.py derives it.
//
// Read this file first. A kernel is what ONE thread does. A launch starts many: a grid of blocks, 256 threads each, and
// every thread finds out from blockIdx and threadIdx which elements are its own. 32 neighbours, a warp, start each load
// together; memory gives them what they ask for in sectors of 32 bytes.
//
//   v1  a thread an element. Neighbouring threads read neighbouring elements, so a warp's 32 floats are 4 sectors, and
//       no byte is fetched that nobody asked for.
//   v2  a thread 16 bytes. The same bytes in a quarter of the loads and stores: each has more of them under way, and
//       that is what keeps the memory busy.
//
// Counted at n = 10,000 floats, forward: 626 loads and stores of a warp in v1, 158 in v2. Both fetch exactly what must
// move, 2 n numbers forward and 3 n backward. The arithmetic costs far less than that.
//
// python -m minivit kernel kernels/gelu.cu --profile    counts what this launch asks of memory:
// launch: gelu_forward_v2<float, ERF><<<2, 256>>>(y[1027], x[1027], 1027)
//
// common.cuh has what all kernels share: thread_number() is blockIdx.x · blockDim.x + threadIdx.x. In every file,
// template <typename T> makes a kernel for float and one for double; __restrict__ promises that the arrays do not
// overlap; #pragma unroll writes a loop out, round by round; __forceinline__ puts a function where it is called.
#include "common.cuh"

constexpr int ERF = 0, TANH = 1;  // the two kinds: the compiler makes a kernel of each, in which no `if` is left

constexpr double SQRT_HALF = 0.70710678118654752;            // √½
constexpr double SQRT_TWO_OVER_PI = 0.79788456080286536;     // √(2/π)
constexpr double NORMAL_DENSITY_AT_0 = 0.39894228040143268;  // 1/√(2π)

// Φ(x). Every constant is made a T: `0.5 * x` would compute in double, which most GPUs do at 1/32 or 1/64 of the speed.
template <typename T, int KIND>
__device__ __forceinline__ T gelu_cdf(T x) {
    if constexpr (KIND == ERF) return T(0.5) * (T(1) + erf(x * T(SQRT_HALF)));
    return T(0.5) * (T(1) + tanh(T(SQRT_TWO_OVER_PI) * x * (T(1) + T(0.044715) * x * x)));
}

template <typename T, int KIND>
__device__ __forceinline__ T gelu(T x) {
    return x * gelu_cdf<T, KIND>(x);
}

// dy (Φ + x φ), where φ = Φ': the normal density, or what the tanh makes of it.
template <typename T, int KIND>
__device__ __forceinline__ T gelu_gradient(T dy, T x) {
    T cdf = gelu_cdf<T, KIND>(x);
    T density;
    if constexpr (KIND == ERF)
        density = T(NORMAL_DENSITY_AT_0) * exp(T(-0.5) * x * x);
    else  // Φ = ½ (1 + tanh u), so 1 − tanh² u = 4 Φ (1 − Φ)
        density = T(2) * cdf * (T(1) - cdf) * T(SQRT_TWO_OVER_PI) * (T(1) + T(3 * 0.044715) * x * x);
    return dy * (cdf + x * density);
}

// ---- v1: a thread an element --------------------------------------------------------------------------------------

template <typename T, int KIND>
__global__ void gelu_forward_v1(T* __restrict__ y, const T* __restrict__ x, int n) {
    size_t i = thread_number();
    if (i >= size_t(n)) return;  // the last block has threads to spare, unless n is a multiple of 256
    y[i] = gelu<T, KIND>(x[i]);
}

template <typename T, int KIND>
__global__ void gelu_backward_v1(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x, int n) {
    size_t i = thread_number();
    if (i >= size_t(n)) return;
    dx[i] = gelu_gradient<T, KIND>(dy[i], x[i]);
}

// ---- v2: a thread 16 bytes ----------------------------------------------------------------------------------------

template <typename T, int KIND>
__global__ void gelu_forward_v2(T* __restrict__ y, const T* __restrict__ x, int n) {
    size_t start = thread_number() * Vec<T>::SIZE;
    if (start + Vec<T>::SIZE <= size_t(n)) {
        Vec<T> v = load_vec(x + start);
#pragma unroll
        for (int j = 0; j < Vec<T>::SIZE; ++j) v.at[j] = gelu<T, KIND>(v.at[j]);
        store_vec(y + start, v);
    } else {  // what is left over, fewer than 16 bytes, falls to one thread; the threads after it have nothing
        for (size_t i = start; i < size_t(n); ++i) y[i] = gelu<T, KIND>(x[i]);
    }
}

template <typename T, int KIND>
__global__ void gelu_backward_v2(T* __restrict__ dx, const T* __restrict__ dy, const T* __restrict__ x, int n) {
    size_t start = thread_number() * Vec<T>::SIZE;
    if (start + Vec<T>::SIZE <= size_t(n)) {
        Vec<T> v = load_vec(x + start), dv = load_vec(dy + start);
#pragma unroll
        for (int j = 0; j < Vec<T>::SIZE; ++j) dv.at[j] = gelu_gradient<T, KIND>(dv.at[j], v.at[j]);
        store_vec(dx + start, dv);
    } else {
        for (size_t i = start; i < size_t(n); ++i) dx[i] = gelu_gradient<T, KIND>(dy[i], x[i]);
    }
}
