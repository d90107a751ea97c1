// Random numbers that need no state: Philox4x32-10 (Salmon et al., SC 2011, "Parallel random numbers: as easy as 1, 2,
// 3"). A usual generator makes each number from the one before, so that a thousand threads need a thousand generators,
// which are set up and lie in memory. Here number i is a function of i alone: it is encrypted, by ten rounds of
// multiplying and mixing under a key, and what comes out is as good as random. Nothing is set up, any thread can make
// any number, and every GPU makes the same.
//
// A thread makes 16 bytes of numbers of one counter: (i, 0, draw, 0), where `draw` counts the arrays of this key. What
// moves is what is written.
//
// python -m minivit kernel kernels/philox.cu --profile    counts what this launch asks of memory:
// launch: philox_uniform<float><<<1, 128>>>(out[270], 270, 7, 8, 0)
#include "common.cuh"

struct Words {
    unsigned at[4];
};

__device__ __forceinline__ Words philox(Words counter, unsigned key0, unsigned key1) {
    unsigned(&c)[4] = counter.at;
#pragma unroll
    for (int round = 0; round < 10; ++round) {
        unsigned high0 = __umulhi(0xD2511F53u, c[0]), low0 = 0xD2511F53u * c[0];
        unsigned high1 = __umulhi(0xCD9E8D57u, c[2]), low1 = 0xCD9E8D57u * c[2];
        c[0] = high1 ^ c[1] ^ key0;
        c[1] = low1;
        c[2] = high0 ^ c[3] ^ key1;
        c[3] = low0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}

// In [0, 1), of all the bits that the type has.
__device__ __forceinline__ void in_unit(Vec<float>& v, Words bits) {
#pragma unroll
    for (int e = 0; e < 4; ++e) v.at[e] = (bits.at[e] >> 8) * 0x1p-24f;
}
__device__ __forceinline__ void in_unit(Vec<double>& v, Words bits) {
#pragma unroll
    for (int e = 0; e < 2; ++e)
        v.at[e] = ((unsigned long long)(bits.at[2 * e]) << 21 | bits.at[2 * e + 1] >> 11) * 0x1p-53;
}

template <typename T>
__device__ __forceinline__ Vec<T> numbers(size_t vector, int key0, int key1, int draw) {
    Vec<T> v;
    in_unit(v, philox({unsigned(vector), 0, unsigned(draw), 0}, key0, key1));
    return v;
}

// n may be no multiple of the vector's length: the last few are stored one by one.
template <typename T>
__device__ __forceinline__ void store_some(T* out, size_t vector, int n, Vec<T> v) {
    size_t first = vector * Vec<T>::SIZE;
    if (first + Vec<T>::SIZE <= size_t(n)) {
        store_vec(out + first, v);
    } else {
#pragma unroll
        for (int e = 0; e < Vec<T>::SIZE; ++e)
            if (first + e < size_t(n)) out[first + e] = v.at[e];
    }
}

// In [0, 1).
template <typename T>
__global__ void philox_uniform(T* __restrict__ out, int n, int key0, int key1, int draw) {
    store_some(out, thread_number(), n, numbers<T>(thread_number(), key0, key1, draw));
}

// Of mean 0 and standard deviation 1. Two numbers in the unit square are a point's distance from the middle and its
// direction, whose coordinates are normal (Box and Muller, 1958).
template <typename T>
__global__ void philox_normal(T* __restrict__ out, int n, int key0, int key1, int draw) {
    Vec<T> v = numbers<T>(thread_number(), key0, key1, draw);
#pragma unroll
    for (int e = 0; e < Vec<T>::SIZE; e += 2) {
        T distance = sqrt(T(-2) * log(T(1) - v.at[e])), angle = T(2) * v.at[e + 1];
        v.at[e] = distance * cospi(angle);
        v.at[e + 1] = distance * sinpi(angle);
    }
    store_some(out, thread_number(), n, v);
}
