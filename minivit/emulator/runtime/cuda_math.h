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
// Beside the host's own library (hosted), which has them, what only CUDA has.

#ifndef EMULATOR_HOSTED
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
inline float ldexp(float x, int n) { return __builtin_ldexpf(x, n); }
inline double ldexp(double x, int n) { return __builtin_ldexp(x, n); }
inline float ldexpf(float x, int n) { return __builtin_ldexpf(x, n); }
inline void sincosf(float x, float* s, float* c) { *s = sin(x), *c = cos(x); }
inline void sincos(double x, double* s, double* c) { *s = sin(x), *c = cos(x); }
inline float nanf(const char*) { return __builtin_nanf(""); }
inline double nan(const char*) { return __builtin_nan(""); }
inline double exp10(double x) { return __builtin_pow(10.0, x); }
inline float exp10f(float x) { return __builtin_powf(10.0f, x); }
EMULATOR_MATH_1(logb)
#define EMULATOR_WHOLE(TYPE, NAME)                                     \
    inline TYPE NAME(float x) { return __builtin_##NAME##f(x); }       \
    inline TYPE NAME(double x) { return __builtin_##NAME(x); }         \
    inline TYPE NAME##f(float x) { return __builtin_##NAME##f(x); }
EMULATOR_WHOLE(long, lround)
EMULATOR_WHOLE(long, lrint)
EMULATOR_WHOLE(long long, llround)
EMULATOR_WHOLE(long long, llrint)
EMULATOR_WHOLE(int, ilogb)
inline float modff(float x, float* whole) { return __builtin_modff(x, whole); }
inline double modf(double x, double* whole) { return __builtin_modf(x, whole); }
inline float frexpf(float x, int* exponent) { return __builtin_frexpf(x, exponent); }
inline double frexp(double x, int* exponent) { return __builtin_frexp(x, exponent); }
inline float remquof(float x, float y, int* n) { return __builtin_remquof(x, y, n); }
inline float scalbnf(float x, int n) { return __builtin_scalbnf(x, n); }
inline double scalbn(double x, int n) { return __builtin_scalbn(x, n); }
#define EMULATOR_TEST(NAME)                                   \
    inline bool NAME(float x) { return __builtin_##NAME(x); } \
    inline bool NAME(double x) { return __builtin_##NAME(x); }
EMULATOR_TEST(isnan)
EMULATOR_TEST(isinf)
EMULATOR_TEST(isfinite)
EMULATOR_TEST(signbit)
inline constexpr int abs(int x) { return x < 0 ? -x : x; }
inline constexpr long abs(long x) { return x < 0 ? -x : x; }
inline constexpr long long abs(long long x) { return x < 0 ? -x : x; }
inline constexpr long labs(long x) { return x < 0 ? -x : x; }
inline constexpr long long llabs(long long x) { return x < 0 ? -x : x; }
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }
inline void* memcpy(void* to, const void* from, size_t bytes) { return __builtin_memcpy(to, from, bytes); }
inline void* memset(void* to, int byte, size_t bytes) { return __builtin_memset(to, byte, bytes); }
inline void* memmove(void* to, const void* from, size_t bytes) { return __builtin_memmove(to, from, bytes); }
extern "C" void* malloc(size_t bytes);
extern "C" void free(void* memory);
#endif

inline float rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
inline double rsqrt(double x) { return 1.0 / __builtin_sqrt(x); }
inline float rsqrtf(float x) { return rsqrt(x); }
inline float exp10(float x) { return __builtin_powf(10.0f, x); }
inline float rhypotf(float x, float y) { return 1.0f / __builtin_hypotf(x, y); }
inline double rhypot(double x, double y) { return 1.0 / __builtin_hypot(x, y); }
inline float norm3df(float x, float y, float z) { return __builtin_sqrtf(x * x + y * y + z * z); }
inline double norm3d(double x, double y, double z) { return __builtin_sqrt(x * x + y * y + z * z); }
inline float norm4df(float x, float y, float z, float w) { return __builtin_sqrtf(x * x + y * y + z * z + w * w); }
inline float rnorm3df(float x, float y, float z) { return 1.0f / norm3df(x, y, z); }
inline float rcbrtf(float x) { return 1.0f / __builtin_cbrtf(x); }
// Of half turns: x is taken between -1 and 1 first, which is exact.
inline double sinpi(double x) { return __builtin_sin(3.14159265358979323846 * __builtin_remainder(x, 2.0)); }
inline double cospi(double x) { return __builtin_cos(3.14159265358979323846 * __builtin_remainder(x, 2.0)); }
inline float sinpif(float x) { return float(sinpi(x)); }
inline float cospif(float x) { return float(cospi(x)); }
inline void sincospif(float x, float* s, float* c) { *s = sinpif(x), *c = cospif(x); }
inline double normcdf(double x) { return 0.5 * __builtin_erfc(-x * 0.70710678118654752440); }
inline float normcdff(float x) { return float(normcdf(x)); }
// The inverse of erf: Newton's steps from Winitzki's estimate, whose error is some 2e-3.
inline double erfinv(double x) {
    if (!(x > -1 && x < 1)) return x == 1 ? __builtin_inf() : x == -1 ? -__builtin_inf() : __builtin_nan("");
    double l = __builtin_log1p(-x * x), a = 0.147, b = 2 / (3.14159265358979323846 * a) + l / 2;
    double y = __builtin_copysign(__builtin_sqrt(__builtin_sqrt(b * b - l / a) - b), x);
    for (int step = 0; step < 4; ++step) {
        double wrong = x < 0.5 && x > -0.5 ? __builtin_erf(y) - x
                       : x > 0             ? (1 - x) - __builtin_erfc(y)
                                           : __builtin_erfc(-y) - (1 + x);
        y -= wrong / (1.12837916709551257390 * __builtin_exp(-y * y));
    }
    return y;
}
inline float erfinvf(float x) { return float(erfinv(x)); }
inline double erfcinv(double x) { return erfinv(1 - x); }
inline float erfcinvf(float x) { return float(erfcinv(x)); }
inline double normcdfinv(double x) { return 1.41421356237309504880 * erfinv(2 * x - 1); }
inline float normcdfinvf(float x) { return float(normcdfinv(x)); }
inline double erfcx(double x) { return __builtin_exp(x * x) * __builtin_erfc(x); }
inline float erfcxf(float x) { return float(erfcx(x)); }

#define EMULATOR_MIN_MAX(T, A, B)      \
    inline constexpr T min(A x, B y) { \
        T a = x, b = y;                \
        return a < b ? a : b;          \
    }                                  \
    inline constexpr T max(A x, B y) { \
        T a = x, b = y;                \
        return a > b ? a : b;          \
    }
#define EMULATOR_NAMED(T, PREFIX)                                     \
    inline constexpr T PREFIX##min(T x, T y) { return x < y ? x : y; } \
    inline constexpr T PREFIX##max(T x, T y) { return x > y ? x : y; }
EMULATOR_NAMED(unsigned, u)
EMULATOR_NAMED(long long, ll)
EMULATOR_NAMED(unsigned long long, ull)
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

#include "cuda_intrinsics.h"
