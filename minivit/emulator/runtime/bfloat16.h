// cuda_bf16.h: bfloat16, a float's first 16 bits, and two of them side by side. To Python they are unsigned numbers.
#pragma once
#include "small_floats.h"

struct __nv_bfloat16_raw {
    unsigned short x;
};
struct __nv_bfloat16 : emulator::Small<__nv_bfloat16, 7, 8> {
    __nv_bfloat16() = default;
    __nv_bfloat16(const __nv_bfloat16_raw& raw) { __x = raw.x; }
    __nv_bfloat16(float x) { *this = of(x); }
    __nv_bfloat16(double x) { *this = of(x); }
    __nv_bfloat16(int x) { *this = of(x); }
    __nv_bfloat16(unsigned x) { *this = of(x); }
    __nv_bfloat16(short x) { *this = of(x); }
    __nv_bfloat16(unsigned short x) { *this = of(x); }
    __nv_bfloat16(long long x);
    __nv_bfloat16(unsigned long long x);
    operator __nv_bfloat16_raw() const { return {__x}; }
};
EMULATOR_PAIR(__nv_bfloat162, __nv_bfloat16)
EMULATOR_SMALL_CONVERSIONS(bfloat16, __nv_bfloat16, __nv_bfloat162)
inline __nv_bfloat16::__nv_bfloat16(long long x) { *this = __ll2bfloat16_rn(x); }
inline __nv_bfloat16::__nv_bfloat16(unsigned long long x) { *this = __ull2bfloat16_rn(x); }
inline __nv_bfloat162 make_bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) { return {x, y}; }
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

#define CUDART_INF_BF16 __ushort_as_bfloat16(0x7f80)
#define CUDART_NAN_BF16 __ushort_as_bfloat16(0x7fff)
#define CUDART_ZERO_BF16 __ushort_as_bfloat16(0x0000)
#define CUDART_ONE_BF16 __ushort_as_bfloat16(0x3f80)

EMULATOR_ATOMIC(atomicAdd, __nv_bfloat16, old + value)
EMULATOR_ATOMIC(atomicAdd, __nv_bfloat162, old + value)

namespace emulator {
template <>
struct Number<__nv_bfloat16> {
    static constexpr char kind = 'u';
    static constexpr unsigned char size = 2, count = 1;
};
template <>
struct Number<__nv_bfloat162> {
    static constexpr char kind = 'u';
    static constexpr unsigned char size = 2, count = 2;
};
}  // namespace emulator
