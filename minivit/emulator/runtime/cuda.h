// The CUDA C++ language for an ordinary C++ compiler: put in front of a .cu file, it lets g++ or clang compile it.
// Here: threads, shared memory, barriers, warp operations, atomics. Vectors and mathematics are in cuda_math.h.
// Only what NVRTC knows without headers is here, so a file that runs here compiles there.
#pragma once
#include "runtime.h"

#define __global__ inline
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))  // alignas may not follow `extern __shared__`
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))
// Of all of C++'s storage classes only thread_local may stand in a block, behind `extern` and in a template alike.
// That its variables lie side by side lets the runtime fill shared memory with NaN before each block.
#define __shared__ thread_local

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef long long clock_t;

constexpr int warpSize = 32;
#define threadIdx (static_cast<const uint3&>(emulator::current->thread))
#define blockIdx (static_cast<const uint3&>(emulator::block_index))
#define blockDim (static_cast<const dim3&>(emulator::block_size))
#define gridDim (static_cast<const dim3&>(emulator::grid_size))

#include "cuda_math.h"

// ---- barriers ----

#define __syncthreads() emulator::syncthreads(emulator::Place::here(), __COUNTER__)
#define __syncthreads_count(p) int(emulator::syncthreads_votes(p, emulator::Place::here(), __COUNTER__).count)
#define __syncthreads_and(p) int(emulator::syncthreads_votes(p, emulator::Place::here(), __COUNTER__).all)
#define __syncthreads_or(p) int(emulator::syncthreads_votes(p, emulator::Place::here(), __COUNTER__).any)

#define EMULATOR_HERE emulator::Place here = emulator::Place::here()

// A fiber runs alone until it waits, so its writes are always in order.
inline void __threadfence() { emulator::on_fence(); }
inline void __threadfence_block() { emulator::on_fence(); }
inline void __threadfence_system() { emulator::on_fence(); }
inline void __nanosleep(unsigned) {}
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATOR_HERE) { emulator::syncwarp(mask, here); }

// ---- warp operations ----

namespace emulator {
template <typename T>
inline Bits to_bits(T value) {
    static_assert(sizeof(T) <= sizeof(Bits) && __is_trivially_copyable(T),
                  "a shuffle moves numbers of 1, 2, 4 or 8 bytes: move a vector's parts one by one");
    Bits bits = 0;
    __builtin_memcpy(&bits, &value, sizeof(T));
    return bits;
}
template <typename T>
inline T from_bits(Bits bits) {
    T value;
    __builtin_memcpy(&value, &bits, sizeof(T));
    return value;
}
inline int lane() { return current->number % LANES; }
// The warp is cut into groups of `width` lanes; from beyond its group a lane gets its own value.
template <typename T>
inline T shuffle_in_group(unsigned mask, T value, int source, int width, Place here) {
    int first = lane() & ~(width - 1);
    if (source < first || source >= first + width) source = lane();
    return from_bits<T>(shuffle(mask, to_bits(value), source, here));
}
}  // namespace emulator

template <typename T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, EMULATOR_HERE) {
    int first = emulator::lane() & ~(width - 1);
    return emulator::shuffle_in_group(mask, value, first + (source & (width - 1)), width, here);
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32, EMULATOR_HERE) {
    // xor may read from an earlier group, not from a later one
    int source = emulator::lane() ^ bits, last = emulator::lane() | (width - 1);
    return emulator::from_bits<T>(
        emulator::shuffle(mask, emulator::to_bits(value), source <= last ? source : emulator::lane(), here));
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_HERE) {
    return emulator::shuffle_in_group(mask, value, emulator::lane() + int(distance), width, here);
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned distance, int width = 32, EMULATOR_HERE) {
    return emulator::shuffle_in_group(mask, value, emulator::lane() - int(distance), width, here);
}

inline unsigned __activemask(EMULATOR_HERE) { return emulator::active_mask(here); }
inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::vote(mask, predicate != 0, here);
}
inline int __any_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::vote(mask, predicate != 0, here) != 0;
}
inline int __all_sync(unsigned mask, int predicate, EMULATOR_HERE) {
    return emulator::vote(mask, predicate == 0, here) == 0;
}
template <typename T>
inline unsigned __match_any_sync(unsigned mask, T value, EMULATOR_HERE) {
    return emulator::match(mask, emulator::to_bits(value), here);
}

// ---- atomics: one step for a fiber, because no other runs meanwhile ----

#define EMULATOR_ATOMIC(NAME, T, NEW)                                     \
    EMULATOR_UNTRACED inline T NAME(T* address, T value, EMULATOR_HERE) { \
        emulator::on_atomic(address, sizeof(T), here);                    \
        T old = *address;                                                 \
        *address = NEW;                                                   \
        return old;                                                       \
    }
#define EMULATOR_ATOMIC_INTEGERS(NAME, NEW) \
    EMULATOR_ATOMIC(NAME, int, NEW)         \
    EMULATOR_ATOMIC(NAME, unsigned, NEW)    \
    EMULATOR_ATOMIC(NAME, unsigned long long, NEW)
EMULATOR_ATOMIC_INTEGERS(atomicAdd, old + value)
EMULATOR_ATOMIC(atomicAdd, float, old + value)
EMULATOR_ATOMIC(atomicAdd, double, old + value)
EMULATOR_ATOMIC(atomicSub, int, old - value)
EMULATOR_ATOMIC(atomicSub, unsigned, old - value)
EMULATOR_ATOMIC_INTEGERS(atomicExch, value)
EMULATOR_ATOMIC(atomicExch, float, value)
EMULATOR_ATOMIC_INTEGERS(atomicMin, value < old ? value : old)
EMULATOR_ATOMIC(atomicMin, long long, value < old ? value : old)
EMULATOR_ATOMIC_INTEGERS(atomicMax, value > old ? value : old)
EMULATOR_ATOMIC(atomicMax, long long, value > old ? value : old)
EMULATOR_ATOMIC_INTEGERS(atomicAnd, old& value)
EMULATOR_ATOMIC_INTEGERS(atomicOr, old | value)
EMULATOR_ATOMIC_INTEGERS(atomicXor, old ^ value)
EMULATOR_ATOMIC(atomicInc, unsigned, old >= value ? 0 : old + 1)
EMULATOR_ATOMIC(atomicDec, unsigned, old == 0 || old > value ? value : old - 1)

#define EMULATOR_ATOMIC_CAS(T)                                                            \
    EMULATOR_UNTRACED inline T atomicCAS(T* address, T compare, T value, EMULATOR_HERE) { \
        emulator::on_atomic(address, sizeof(T), here);                                    \
        T old = *address;                                                                 \
        if (old == compare) *address = value;                                             \
        return old;                                                                       \
    }
EMULATOR_ATOMIC_CAS(int)
EMULATOR_ATOMIC_CAS(unsigned)
EMULATOR_ATOMIC_CAS(unsigned long long)
EMULATOR_ATOMIC_CAS(unsigned short)

// ---- messages from a kernel ----

#define printf(...) emulator::print(__VA_ARGS__)
#define assert(...) \
    ((__VA_ARGS__) ? void() : emulator::fail("assert", emulator::Place::here(), "assert(%s) failed", #__VA_ARGS__))
inline void __trap(EMULATOR_HERE) { emulator::fail("trap", here, "__trap() was called"); }
