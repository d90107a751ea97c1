// What one instruction of a GPU does: __expf, __popc, __byte_perm. Read cuda_math.h first.
#pragma once

inline float __expf(float x) { return exp(x); }
inline float __exp10f(float x) { return exp10(x); }
inline float __logf(float x) { return log(x); }
inline float __log2f(float x) { return log2(x); }
inline float __log10f(float x) { return log10(x); }
inline float __sinf(float x) { return sin(x); }
inline float __cosf(float x) { return cos(x); }
inline float __tanf(float x) { return tan(x); }
inline float __powf(float x, float y) { return pow(x, y); }
inline float __fdividef(float x, float y) { return x / y; }
inline float fdividef(float x, float y) { return x / y; }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fsqrt_rn(float x) { return sqrt(x); }
inline float __frsqrt_rn(float x) { return rsqrt(x); }
inline float __fmaf_rn(float x, float y, float z) { return fma(x, y, z); }
inline double __dadd_rn(double x, double y) { return x + y; }
inline double __dmul_rn(double x, double y) { return x * y; }
inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }

#define EMULATOR_SAME_BITS(NAME, FROM, TO)             \
    inline TO NAME(FROM from) {                        \
        static_assert(sizeof(FROM) == sizeof(TO), ""); \
        TO to;                                         \
        __builtin_memcpy(&to, &from, sizeof(to));      \
        return to;                                     \
    }
EMULATOR_SAME_BITS(__float_as_int, float, int)
EMULATOR_SAME_BITS(__float_as_uint, float, unsigned)
EMULATOR_SAME_BITS(__int_as_float, int, float)
EMULATOR_SAME_BITS(__uint_as_float, unsigned, float)
EMULATOR_SAME_BITS(__double_as_longlong, double, long long)
EMULATOR_SAME_BITS(__longlong_as_double, long long, double)

// Rounded towards 0, down or up: from the nearest double, which float sums and products fit into, or nearly.
#define EMULATOR_ROUND(MODE, TOO_FAR, TOWARDS)                                                 \
    inline float __double2float_##MODE(double x) {                                             \
        float f = float(x);                                                                    \
        return TOO_FAR ? __builtin_nextafterf(f, TOWARDS) : f;                                 \
    }                                                                                          \
    inline float __fadd_##MODE(float x, float y) { return __double2float_##MODE((double)x + y); } \
    inline float __fsub_##MODE(float x, float y) { return __double2float_##MODE((double)x - y); } \
    inline float __fmul_##MODE(float x, float y) { return __double2float_##MODE((double)x * y); } \
    inline float __fdiv_##MODE(float x, float y) { return __double2float_##MODE((double)x / y); } \
    inline float __int2float_##MODE(int x) { return __double2float_##MODE(x); }                \
    inline float __uint2float_##MODE(unsigned x) { return __double2float_##MODE(x); }
EMULATOR_ROUND(rz, (x > 0 ? f > x : f < x), 0.0f)
EMULATOR_ROUND(rd, f > x, -__builtin_inff())
EMULATOR_ROUND(ru, f < x, __builtin_inff())

inline int __float2int_rn(float x) { return int(rint(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline int __float2int_rd(float x) { return int(floor(x)); }
inline int __float2int_ru(float x) { return int(ceil(x)); }
inline unsigned __float2uint_rn(float x) { return unsigned(rint(x)); }
inline unsigned __float2uint_rz(float x) { return unsigned(x); }
inline unsigned __float2uint_rd(float x) { return unsigned(floor(x)); }
inline unsigned __float2uint_ru(float x) { return unsigned(ceil(x)); }
inline long long __float2ll_rn(float x) { return (long long)rint(x); }
inline long long __float2ll_rz(float x) { return (long long)x; }
inline int __double2int_rn(double x) { return int(rint(x)); }
inline int __double2int_rz(double x) { return int(x); }
inline double __int2double_rn(int x) { return x; }
inline double __ll2double_rn(long long x) { return double(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __double2float_rn(double x) { return float(x); }

inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)(x)) : 64; }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
    unsigned reversed = 0;
    for (int bit = 0; bit < 32; ++bit) reversed |= (x >> bit & 1) << (31 - bit);
    return reversed;
}
inline unsigned long long __brevll(unsigned long long x) {
    return (unsigned long long)__brev(unsigned(x)) << 32 | __brev(unsigned(x >> 32));
}
// Four of the eight bytes of y:x, chosen by the digits of s; a digit's fourth bit asks for the byte's sign instead.
inline unsigned __byte_perm(unsigned x, unsigned y, unsigned s) {
    unsigned long long both = (unsigned long long)y << 32 | x;
    unsigned result = 0;
    for (int i = 0; i < 4; ++i) result |= unsigned(both >> (s >> 4 * i & 7) * 8 & 0xff) << 8 * i;
    return result;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned n) {
    return unsigned((((unsigned long long)high << 32 | low) << (n & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned n) {
    return unsigned(((unsigned long long)high << 32 | low) >> (n & 31));
}
inline int __dp4a(int a, int b, int c) {
    for (int i = 0; i < 4; ++i) c += (signed char)(a >> 8 * i) * (signed char)(b >> 8 * i);
    return c;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int i = 0; i < 4; ++i) c += (a >> 8 * i & 0xff) * (b >> 8 * i & 0xff);
    return c;
}
inline unsigned __usad(unsigned x, unsigned y, unsigned z) { return z + (x > y ? x - y : y - x); }
inline unsigned __sad(int x, int y, unsigned z) { return z + unsigned(x > y ? x - y : y - x); }
inline int __hadd(int x, int y) { return int(((long long)x + y) >> 1); }
inline long long __mul64hi(long long x, long long y) { return (long long)((__int128)x * y >> 64); }
inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
    return (unsigned long long)((unsigned __int128)x * y >> 64);
}
inline unsigned __umul24(unsigned x, unsigned y) { return (x & 0xffffff) * (y & 0xffffff); }
inline int __mulhi(int x, int y) { return int((long long)(x)*y >> 32); }
inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned((unsigned long long)(x)*y >> 32); }
inline int __mul24(int x, int y) { return (x << 8 >> 8) * (y << 8 >> 8); }

// Loads and stores with a hint for the cache. Macros, so that the checker sees the access in the line that asks for it.
#define __ldg(pointer) (*(pointer))
#define __ldca(pointer) (*(pointer))
#define __ldcg(pointer) (*(pointer))
#define __ldcs(pointer) (*(pointer))
#define __ldlu(pointer) (*(pointer))
#define __ldcv(pointer) (*(pointer))
#define __stcg(pointer, value) void(*(pointer) = (value))
#define __stcs(pointer, value) void(*(pointer) = (value))
#define __stwb(pointer, value) void(*(pointer) = (value))
#define __stwt(pointer, value) void(*(pointer) = (value))