// CUDA's vectors and mathematics. What a GPU approximates, like __expf, is as exact here as the C library makes it.
#pragma once
#include "runtime.h"

#define EMULATOR_VECTORS_ARE_KNOWN

// ---- vectors: float2, make_float2, ... ----

#define EMULATOR_VECTOR_3(T, NAME) \
    struct NAME##3 {               \
        T x, y, z;                 \
    };
#define EMULATOR_VECTORS_1_2_4(T, NAME)                               \
    struct NAME##1 {                                                  \
        T x;                                                          \
    };                                                                \
    struct alignas(2 * sizeof(T)) NAME##2 {                           \
        T x, y;                                                       \
    };                                                                \
    struct alignas(4 * sizeof(T) < 16 ? 4 * sizeof(T) : 16) NAME##4 { \
        T x, y, z, w;                                                 \
    };
#define EMULATOR_MAKE_VECTORS(T, NAME)                                 \
    inline NAME##1 make_##NAME##1(T x) { return {x}; }                 \
    inline NAME##2 make_##NAME##2(T x, T y) { return {x, y}; }         \
    inline NAME##3 make_##NAME##3(T x, T y, T z) { return {x, y, z}; } \
    inline NAME##4 make_##NAME##4(T x, T y, T z, T w) { return {x, y, z, w}; }
#define EMULATOR_VECTORS(T, NAME)   \
    EMULATOR_VECTOR_3(T, NAME)      \
    EMULATOR_VECTORS_1_2_4(T, NAME) \
    EMULATOR_MAKE_VECTORS(T, NAME)

EMULATOR_VECTORS(signed char, char)
EMULATOR_VECTORS(unsigned char, uchar)
EMULATOR_VECTORS(short, short)
EMULATOR_VECTORS(unsigned short, ushort)
EMULATOR_VECTORS(int, int)
EMULATOR_VECTORS_1_2_4(unsigned, uint)  // uint3, the type of threadIdx, is in runtime.h
EMULATOR_MAKE_VECTORS(unsigned, uint)
EMULATOR_VECTORS(long, long)
EMULATOR_VECTORS(unsigned long, ulong)
EMULATOR_VECTORS(long long, longlong)
EMULATOR_VECTORS(unsigned long long, ulonglong)
EMULATOR_VECTORS(float, float)
EMULATOR_VECTORS(double, double)

// ---- functions of float and double: exp(float), exp(double) and expf ----

#define EMULATOR_MATH_1(NAME)                                     \
    inline float NAME(float x) { return __builtin_##NAME##f(x); } \
    inline double NAME(double x) { return __builtin_##NAME(x); }  \
    inline float NAME##f(float x) { return __builtin_##NAME##f(x); }
#define EMULATOR_MATH_2(NAME)                                                 \
    inline float NAME(float x, float y) { return __builtin_##NAME##f(x, y); } \
    inline double NAME(double x, double y) { return __builtin_##NAME(x, y); } \
    inline float NAME##f(float x, float y) { return __builtin_##NAME##f(x, y); }

EMULATOR_MATH_1(exp)
EMULATOR_MATH_1(exp2)
EMULATOR_MATH_1(expm1)
EMULATOR_MATH_1(log)
EMULATOR_MATH_1(log2)
EMULATOR_MATH_1(log10)
EMULATOR_MATH_1(log1p)
EMULATOR_MATH_1(sqrt)
EMULATOR_MATH_1(cbrt)
EMULATOR_MATH_1(erf)
EMULATOR_MATH_1(erfc)
EMULATOR_MATH_1(tgamma)
EMULATOR_MATH_1(lgamma)
EMULATOR_MATH_1(sin)
EMULATOR_MATH_1(cos)
EMULATOR_MATH_1(tan)
EMULATOR_MATH_1(asin)
EMULATOR_MATH_1(acos)
EMULATOR_MATH_1(atan)
EMULATOR_MATH_1(sinh)
EMULATOR_MATH_1(cosh)
EMULATOR_MATH_1(tanh)
EMULATOR_MATH_1(asinh)
EMULATOR_MATH_1(acosh)
EMULATOR_MATH_1(atanh)
EMULATOR_MATH_1(fabs)
EMULATOR_MATH_1(floor)
EMULATOR_MATH_1(ceil)
EMULATOR_MATH_1(trunc)
EMULATOR_MATH_1(round)
EMULATOR_MATH_1(rint)
EMULATOR_MATH_1(nearbyint)
EMULATOR_MATH_2(pow)
EMULATOR_MATH_2(fmod)
EMULATOR_MATH_2(remainder)
EMULATOR_MATH_2(fmin)
EMULATOR_MATH_2(fmax)
EMULATOR_MATH_2(fdim)
EMULATOR_MATH_2(atan2)
EMULATOR_MATH_2(hypot)
EMULATOR_MATH_2(copysign)
EMULATOR_MATH_2(nextafter)

inline float pow(float x, int n) { return __builtin_powf(x, float(n)); }
inline double pow(double x, int n) { return __builtin_pow(x, n); }
inline float fma(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline double fma(double x, double y, double z) { return __builtin_fma(x, y, z); }
inline float fmaf(float x, float y, float z) { return __builtin_fmaf(x, y, z); }
inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline float rsqrtf(float x) { return rsqrt(x); }
inline float exp10(float x) { return __builtin_powf(10.0f, x); }
inline double exp10(double x) { return __builtin_pow(10.0, x); }
inline float exp10f(float x) { return exp10(x); }
inline float ldexp(float x, int n) { return __builtin_ldexpf(x, n); }
inline double ldexp(double x, int n) { return __builtin_ldexp(x, n); }
inline float ldexpf(float x, int n) { return __builtin_ldexpf(x, n); }
inline void sincosf(float x, float* s, float* c) { *s = sin(x), *c = cos(x); }
inline void sincos(double x, double* s, double* c) { *s = sin(x), *c = cos(x); }
inline float nanf(const char*) { return __builtin_nanf(""); }
inline double nan(const char*) { return __builtin_nan(""); }

#define EMULATOR_TEST(NAME)                                   \
    inline bool NAME(float x) { return __builtin_##NAME(x); } \
    inline bool NAME(double x) { return __builtin_##NAME(x); }
EMULATOR_TEST(isnan)
EMULATOR_TEST(isinf)
EMULATOR_TEST(isfinite)
EMULATOR_TEST(signbit)

#define EMULATOR_MIN_MAX(T, A, B)      \
    inline constexpr T min(A x, B y) { \
        T a = x, b = y;                \
        return a < b ? a : b;          \
    }                                  \
    inline constexpr T max(A x, B y) { \
        T a = x, b = y;                \
        return a > b ? a : b;          \
    }
EMULATOR_MIN_MAX(int, int, int)
EMULATOR_MIN_MAX(unsigned, unsigned, unsigned)
EMULATOR_MIN_MAX(unsigned, int, unsigned)
EMULATOR_MIN_MAX(unsigned, unsigned, int)
EMULATOR_MIN_MAX(long, long, long)
EMULATOR_MIN_MAX(unsigned long, unsigned long, unsigned long)
EMULATOR_MIN_MAX(long long, long long, long long)
EMULATOR_MIN_MAX(unsigned long long, unsigned long long, unsigned long long)
inline float min(float x, float y) { return __builtin_fminf(x, y); }  // of a number and NaN: the number
inline float max(float x, float y) { return __builtin_fmaxf(x, y); }
inline double min(double x, double y) { return __builtin_fmin(x, y); }
inline double max(double x, double y) { return __builtin_fmax(x, y); }
inline double min(float x, double y) { return __builtin_fmin(x, y); }
inline double max(float x, double y) { return __builtin_fmax(x, y); }
inline double min(double x, float y) { return __builtin_fmin(x, y); }
inline double max(double x, float y) { return __builtin_fmax(x, y); }

inline constexpr int abs(int x) { return x < 0 ? -x : x; }
inline constexpr long abs(long x) { return x < 0 ? -x : x; }
inline constexpr long long abs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }

// ---- intrinsics ----

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

inline int __float2int_rn(float x) { return int(rint(x)); }
inline int __float2int_rz(float x) { return int(x); }
inline int __float2int_rd(float x) { return int(floor(x)); }
inline int __float2int_ru(float x) { return int(ceil(x)); }
inline unsigned __float2uint_rn(float x) { return unsigned(rint(x)); }
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

inline void* memcpy(void* to, const void* from, size_t bytes) { return __builtin_memcpy(to, from, bytes); }
inline void* memset(void* to, int byte, size_t bytes) { return __builtin_memset(to, byte, bytes); }
