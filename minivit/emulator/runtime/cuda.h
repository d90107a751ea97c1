// The CUDA C++ language for an ordinary C++ compiler: put in front of a .cu file, it lets g++ or clang compile it.
// Here: threads, shared memory, barriers, warp operations, atomics. Vectors and mathematics are in cuda_math.h.
// Only what NVRTC knows without headers is here, so a file that runs here compiles there.
#pragma once
#include "runtime.h"

#if defined(EMULATOR_TRACE) && !defined(__clang__)
// g++ calls nobody before it reads a struct that is handed over, or stores one that is returned: so no call is left.
#define __global__ __attribute__((flatten)) inline
#define __noinline__
#else
#define __global__ inline
#define __noinline__ __attribute__((noinline))
#endif
#define __device__
#define __host__
#define __constant__
#define __managed__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __maxnreg__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))  // alignas may not follow `extern __shared__`
#define __builtin_align__(bytes) __attribute__((aligned(bytes)))
// Of all of C++'s storage classes only thread_local may stand in a block, behind `extern` and in a template alike.
// That its variables lie side by side lets the runtime fill shared memory with NaN before each block.
#define __shared__ thread_local

// What NVIDIA's compiler defines; 800 is the architecture of an A100.
#define __CUDACC__ 1
#define __CUDA_ARCH__ 800
#define __CUDACC_VER_MAJOR__ 13
#define __CUDACC_VER_MINOR__ 0
#ifndef EMULATOR_HOSTED
#define __CUDACC_RTC__ 1
#define NULL 0
typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ptrdiff_t;
typedef long long clock_t;
#endif

// The reader's own macros may have any name. So no macro of ours expands to a name that a reader would give one.
#define EMULATOR_INLINE inline __attribute__((always_inline))
EMULATOR_INLINE const uint3& emulator_thread_index() { return emulator::current->thread; }

constexpr int warpSize = 32;
#define threadIdx (emulator_thread_index())
// Not macros: the host's code likes to call its own variables so.
[[maybe_unused]] static const uint3& blockIdx = emulator::block_index;
[[maybe_unused]] static const dim3& blockDim = emulator::block_size;
[[maybe_unused]] static const dim3& gridDim = emulator::grid_size;

#include "cuda_math.h"

// ---- barriers ----

#define EMULATOR_HERE emulator::Place here = emulator::Place::here()

EMULATOR_INLINE void emulator_barrier(int id, EMULATOR_HERE) { emulator::syncthreads(here, id); }
EMULATOR_INLINE emulator::Votes emulator_votes(int id, bool vote, EMULATOR_HERE) {
    return emulator::syncthreads_votes(vote, here, id);
}
EMULATOR_INLINE int emulator_count(emulator::Votes votes) { return int(votes.count); }
EMULATOR_INLINE int emulator_all(emulator::Votes votes) { return int(votes.all); }
EMULATOR_INLINE int emulator_any(emulator::Votes votes) { return int(votes.any); }
#define __syncthreads() emulator_barrier(__COUNTER__)
#define __syncthreads_count(...) emulator_count(emulator_votes(__COUNTER__, __VA_ARGS__))
#define __syncthreads_and(...) emulator_all(emulator_votes(__COUNTER__, __VA_ARGS__))
#define __syncthreads_or(...) emulator_any(emulator_votes(__COUNTER__, __VA_ARGS__))

// A fiber runs alone until it waits, so its writes are always in order.
inline void __threadfence() { emulator::on_fence(true); }
inline void __threadfence_block() { emulator::on_fence(false); }
inline void __threadfence_system() { emulator::on_fence(true); }
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

template <typename T>
inline unsigned __match_all_sync(unsigned mask, T value, int* all, EMULATOR_HERE) {
    unsigned same = emulator::match(mask, emulator::to_bits(value), here);
    *all = same == mask;
    return *all ? mask : 0;
}
namespace emulator {
// A sum, or whatever `join` is, over the lanes of the mask, known to each of them.
template <typename T, typename Join>
inline T reduce(unsigned mask, T value, Join join, Place here) {
    T result = value;
    bool first = true;
    for (unsigned l = 0; l < LANES; ++l) {
        if (!(mask >> l & 1)) continue;
        T other = from_bits<T>(shuffle(mask, to_bits(value), int(l), here));
        result = first ? other : join(result, other);
        first = false;
    }
    return result;
}
}  // namespace emulator
#define EMULATOR_REDUCE(NAME, T, JOIN)                                                        \
    inline T NAME(unsigned mask, T value, EMULATOR_HERE) {                                    \
        return emulator::reduce(mask, value, [](T a, T b) -> T { return JOIN; }, here);       \
    }
EMULATOR_REDUCE(__reduce_add_sync, int, a + b)
EMULATOR_REDUCE(__reduce_add_sync, unsigned, a + b)
EMULATOR_REDUCE(__reduce_min_sync, int, b < a ? b : a)
EMULATOR_REDUCE(__reduce_min_sync, unsigned, b < a ? b : a)
EMULATOR_REDUCE(__reduce_max_sync, int, b > a ? b : a)
EMULATOR_REDUCE(__reduce_max_sync, unsigned, b > a ? b : a)
EMULATOR_REDUCE(__reduce_and_sync, unsigned, a& b)
EMULATOR_REDUCE(__reduce_or_sync, unsigned, a | b)
EMULATOR_REDUCE(__reduce_xor_sync, unsigned, a ^ b)

// ---- atomics: one step for a fiber, because no other runs meanwhile ----

#define EMULATOR_ATOMIC(NAME, T, NEW)                                     \
    EMULATOR_UNTRACED inline T NAME(T* address, T value, EMULATOR_HERE) { \
        emulator::on_atomic(address, sizeof(T), here);                    \
        T old = *address;                                                 \
        *address = NEW;                                                   \
        emulator::on_atomic_written(address);                             \
        if (*address == old) emulator::wait_for_change(address);          \
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
        emulator::on_compare(address, sizeof(T), emulator::to_bits(compare), here);       \
        T old = *address;                                                                 \
        if (old == compare) {                                                             \
            *address = value;                                                             \
            emulator::on_atomic_written(address);                                         \
        } else {                                                                          \
            emulator::wait_for_change(address);                                           \
        }                                                                                 \
        return old;                                                                       \
    }
EMULATOR_ATOMIC_CAS(int)
EMULATOR_ATOMIC_CAS(unsigned)
EMULATOR_ATOMIC_CAS(unsigned long long)
EMULATOR_ATOMIC_CAS(unsigned short)

// Atomics for one block, or for the host too: here they are the same.
#define atomicAdd_block atomicAdd
#define atomicAdd_system atomicAdd
#define atomicSub_block atomicSub
#define atomicSub_system atomicSub
#define atomicExch_block atomicExch
#define atomicExch_system atomicExch
#define atomicMin_block atomicMin
#define atomicMin_system atomicMin
#define atomicMax_block atomicMax
#define atomicMax_system atomicMax
#define atomicCAS_block atomicCAS
#define atomicCAS_system atomicCAS
#define atomicAnd_block atomicAnd
#define atomicOr_block atomicOr
#define atomicXor_block atomicXor
#define atomicAnd_system atomicAnd
#define atomicOr_system atomicOr
#define atomicXor_system atomicXor
#define atomicInc_block atomicInc
#define atomicInc_system atomicInc
#define atomicDec_block atomicDec
#define atomicDec_system atomicDec

// ---- the clock: one step of it at each look, since nothing here takes the time that it takes on a GPU ----

namespace emulator {
inline long long clock_steps;
}
#ifndef EMULATOR_HOSTED
EMULATOR_UNTRACED inline clock_t clock() { return ++emulator::clock_steps; }
#endif
EMULATOR_UNTRACED inline long long clock64() { return ++emulator::clock_steps; }
EMULATOR_UNTRACED inline unsigned long long globaltimer() { return ++emulator::clock_steps; }

#if defined(EMULATOR_TRACE)  // memcpy and memset in a kernel: the C library's are not told of
EMULATOR_UNTRACED inline void* emulator_memmove(void* to, const void* from, size_t bytes, EMULATOR_HERE) {
    emulator::on_copied(from, bytes, false, here);
    emulator::on_copied(to, bytes, true, here);
    return __builtin_memmove(to, from, bytes);
}
EMULATOR_UNTRACED inline void* emulator_memset(void* to, int byte, size_t bytes, EMULATOR_HERE) {
    emulator::on_copied(to, bytes, true, here);
    return __builtin_memset(to, byte, bytes);
}
namespace std {
using ::emulator_memmove;
using ::emulator_memset;
}
#define memcpy(...) emulator_memmove(__VA_ARGS__)
#define memmove(...) emulator_memmove(__VA_ARGS__)
#define memset(...) emulator_memset(__VA_ARGS__)
#endif

// ---- messages from a kernel ----

inline void __trap(EMULATOR_HERE) { emulator::fail("trap", here, "__trap() was called"); }
inline void emulator_assert(const char* condition, EMULATOR_HERE) {
    emulator::fail("assert", here, "assert(%s) failed", condition);
}
#ifndef EMULATOR_HOSTED
#define printf(...) emulator_print(__VA_ARGS__)
#define assert(...) ((__VA_ARGS__) ? void() : emulator_assert(#__VA_ARGS__))
#endif
