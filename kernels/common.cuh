// What several kernels share: who am I, sums over a warp, 16-byte vectors. A warp is 32 threads that run together; a
// thread's place in it is its lane.
#pragma once

constexpr int WARP = 32;
constexpr unsigned ALL_LANES = 0xffffffffu;

// Dynamic shared memory: its size is given at the launch. One name and one type for all kernels; each casts it.
extern __shared__ __align__(16) unsigned char shared_memory[];

// The number of this thread, and of this warp, among all of the launch. size_t: blocks times threads may pass 2³¹.
__device__ __forceinline__ size_t thread_number() {
    return size_t(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ __forceinline__ size_t warp_number() {
    return thread_number() / WARP;
}

// The sum of v over the warp's lanes, known to every lane afterwards. Each step adds the partner whose lane number
// differs in one bit: 16, 8, 4, 2, 1. All 32 lanes must call it.
template <typename T>
__device__ __forceinline__ T warp_sum(T v) {
#pragma unroll
    for (int bit = WARP / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
    return v;
}

// The largest v of the warp's lanes, known to every lane afterwards.
template <typename T>
__device__ __forceinline__ T warp_max(T v) {
#pragma unroll
    for (int bit = WARP / 2; bit > 0; bit /= 2) {
        T other = __shfl_xor_sync(ALL_LANES, v, bit);
        v = other > v ? other : v;
    }
    return v;
}

// 16 bytes that one instruction loads or stores: 4 floats or 2 doubles. The address must be a multiple of 16.
template <typename T>
struct __align__(16) Vec {
    static constexpr int SIZE = 16 / sizeof(T);
    T at[SIZE];
};

// from, to: the address of the first of the SIZE numbers.
template <typename T>
__device__ __forceinline__ Vec<T> load_vec(const T* from) {
    return *reinterpret_cast<const Vec<T>*>(from);
}

template <typename T>
__device__ __forceinline__ void store_vec(T* to, Vec<T> v) {
    *reinterpret_cast<Vec<T>*>(to) = v;
}
