// cuda_fp16.h: half, 5 bits of exponent and 10 of fraction, and two of them side by side.
#pragma once
#include "small_floats.h"

struct __half_raw {
    unsigned short x;
};
struct __half : emulator::Small<__half, 10, 5> {
    __half() = default;
    __half(const __half_raw& raw) { __x = raw.x; }
    __half(float x) { *this = of(x); }
    __half(double x) { *this = of(x); }
    __half(int x) { *this = of(x); }
    __half(unsigned x) { *this = of(x); }
    __half(short x) { *this = of(x); }
    __half(unsigned short x) { *this = of(x); }
    __half(long long x);
    __half(unsigned long long x);
    operator __half_raw() const { return {__x}; }
};
EMULATOR_PAIR(__half2, __half)
EMULATOR_SMALL_CONVERSIONS(half, __half, __half2)
inline __half::__half(long long x) { *this = __ll2half_rn(x); }
inline __half::__half(unsigned long long x) { *this = __ull2half_rn(x); }
inline __half2 make_half2(__half x, __half y) { return {x, y}; }
typedef __half half;
typedef __half2 half2;

#define CUDART_INF_FP16 __ushort_as_half(0x7c00)
#define CUDART_NAN_FP16 __ushort_as_half(0x7fff)
#define CUDART_ZERO_FP16 __ushort_as_half(0x0000)
#define CUDART_NEG_ZERO_FP16 __ushort_as_half(0x8000)
#define CUDART_ONE_FP16 __ushort_as_half(0x3c00)
#define CUDART_MAX_NORMAL_FP16 __ushort_as_half(0x7bff)
#define CUDART_MIN_DENORM_FP16 __ushort_as_half(0x0001)

EMULATOR_ATOMIC(atomicAdd, __half, old + value)
EMULATOR_ATOMIC(atomicAdd, __half2, old + value)

namespace emulator {
EMULATOR_NUMBER(__half, 'f')
EMULATOR_NUMBERS(__half2, 'f', 2, __half)
}  // namespace emulator
