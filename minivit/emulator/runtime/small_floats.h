// Numbers of 16 bits: what half.h and bfloat16.h have in common. All is computed in double, which holds every product and
// every sum of two halves, and then rounded once, as the hardware does; NaN comes out as 0x7fff.
#pragma once
#include "cuda.h"

namespace emulator {

enum Rounding { NEAREST, AWAY, ZERO, DOWN, UP };  // NEAREST: of two that are as near, the even one; AWAY: the larger

// A double as a number with so many bits of fraction and of exponent, below its sign.
template <int FRACTION, int EXPONENT>
inline unsigned narrow(double x, Rounding rounding) {
    constexpr int BIAS = (1 << (EXPONENT - 1)) - 1;
    constexpr unsigned INFINITE = ((1u << EXPONENT) - 1) << FRACTION, SIGN = 1u << (FRACTION + EXPONENT);
    Bits bits = to_bits(x), fraction = bits & ((1ull << 52) - 1);
    bool negative = bits >> 63;
    int exponent = int(bits >> 52 & 0x7ff) - 1023;
    if (exponent == 1024) return fraction ? SIGN - 1 : INFINITE | (negative ? SIGN : 0);
    if (exponent == -1023) exponent = -1022; else fraction |= 1ull << 52;
    int below = exponent < 1 - BIAS ? 1 - BIAS - exponent : 0;  // so much smaller than the smallest normal number
    int lost = 52 - FRACTION + below < 63 ? 52 - FRACTION + below : 63;
    Bits kept = fraction >> lost, rest = fraction & ((1ull << lost) - 1), half = 1ull << (lost - 1);
    bool more = rounding == NEAREST ? rest > half || (rest == half && (kept & 1))
                : rounding == AWAY  ? rest >= half
                                    : rest && rounding != ZERO && (rounding == UP) != negative;
    kept += more;  // a carry goes into the exponent by itself
    Bits number = below ? kept : (Bits(exponent + BIAS - 1) << FRACTION) + kept;
    bool stays_finite = rounding == ZERO || (rounding == UP && negative) || (rounding == DOWN && !negative);
    if (number >= INFINITE) number = INFINITE - stays_finite;
    return unsigned(number) | (negative ? SIGN : 0);
}

template <int FRACTION, int EXPONENT>
inline double widened(unsigned bits) {
    constexpr int BIAS = (1 << (EXPONENT - 1)) - 1, LAST = (1 << EXPONENT) - 1;
    Bits sign = Bits(bits >> (FRACTION + EXPONENT) & 1) << 63, fraction = bits & ((1u << FRACTION) - 1);
    int exponent = int(bits >> FRACTION) & LAST;
    if (exponent == 0) return (sign ? -1.0 : 1.0) * double(fraction) * from_bits<double>(Bits(1024 - BIAS - FRACTION) << 52);
    exponent = exponent == LAST ? 0x7ff : exponent - BIAS + 1023;
    return from_bits<double>(sign | Bits(exponent) << 52 | fraction << (52 - FRACTION));
}

// x * y + z before it is rounded: where double cannot hold it, the last bit is made odd, so that rounding comes out right.
inline double multiplied_and_added(double x, double y, double z) {
    double product = x * y, sum = product + z, back = sum - product;
    double lost = (product - (sum - back)) + (z - back);
    Bits bits = to_bits(sum);
    if (!(lost != 0) || !__builtin_isfinite(sum) || (bits & 1)) return sum;
    return from_bits<double>((lost > 0) == (sum > 0) ? bits + 1 : bits - 1);
}

template <typename I>
inline I to_integer(double x, Rounding rounding) {  // the nearest that there is; of NaN 0
    x = rounding == NEAREST ? __builtin_rint(x) : rounding == ZERO ? __builtin_trunc(x)
        : rounding == UP    ? __builtin_ceil(x) : __builtin_floor(x);
    constexpr bool SIGNED = I(-1) < I(0);
    constexpr I LEAST = SIGNED ? I(1ull << (8 * sizeof(I) - 1)) : I(0), MOST = I(~LEAST);
    return x != x ? I(0) : x <= double(LEAST) ? LEAST : x >= double(MOST) ? MOST : I(x);
}

template <typename Self, int FRACTION, int EXPONENT>
struct Small {
    unsigned short __x;

    static Self of(double x, Rounding rounding = NEAREST) {
        Self number;
        number.__x = (unsigned short)narrow<FRACTION, EXPONENT>(x, rounding);
        return number;
    }
    static Self of_bits(unsigned short bits) {
        Self number;
        number.__x = bits;
        return number;
    }
    double wide() const { return widened<FRACTION, EXPONENT>(__x); }
    operator float() const { return float(wide()); }
    explicit operator bool() const { return wide() != 0; }

    friend Self operator+(Self a, Self b) { return of(a.wide() + b.wide()); }
    friend Self operator-(Self a, Self b) { return of(a.wide() - b.wide()); }
    friend Self operator*(Self a, Self b) { return of(a.wide() * b.wide()); }
    friend Self operator/(Self a, Self b) { return of(a.wide() / b.wide()); }
    friend Self& operator+=(Self& a, const Self& b) { return a = a + b; }
    friend Self& operator-=(Self& a, const Self& b) { return a = a - b; }
    friend Self& operator*=(Self& a, const Self& b) { return a = a * b; }
    friend Self& operator/=(Self& a, const Self& b) { return a = a / b; }
    friend Self& operator++(Self& a) { return a = of(a.wide() + 1); }
    friend Self& operator--(Self& a) { return a = of(a.wide() - 1); }
    friend Self operator++(Self& a, int) { Self old = a; ++a; return old; }
    friend Self operator--(Self& a, int) { Self old = a; --a; return old; }
    friend Self operator+(Self a) { return a; }
    friend Self operator-(Self a) { return __hneg(a); }
    friend Self __hneg(Self a) { return a.wide() != a.wide() ? of_bits(0x7fff) : of_bits(a.__x ^ 0x8000); }
    friend Self __habs(Self a) { return of_bits(a.__x & 0x7fff); }
    friend Self __hfma(Self a, Self b, Self c) { return of(multiplied_and_added(a.wide(), b.wide(), c.wide())); }
    friend Self __hfma_relu(Self a, Self b, Self c) { return relu(__hfma(a, b, c)); }
    friend Self __hfma_sat(Self a, Self b, Self c) { return saturated(__hfma(a, b, c)); }
    static Self relu(Self a) { return a.wide() < 0 ? of(0) : a.wide() == 0 ? of_bits(0) : a; }
    static Self saturated(Self a) { return a.wide() >= 1 ? of(1) : a.wide() > 0 ? a : of_bits(0); }

#define EMULATOR_ARITHMETIC(NAME, SIGN)                                   \
    friend Self NAME(Self a, Self b) { return a SIGN b; }                 \
    friend Self NAME##_rn(Self a, Self b) { return a SIGN b; }            \
    friend Self NAME##_sat(Self a, Self b) { return saturated(a SIGN b); }
    EMULATOR_ARITHMETIC(__hadd, +)
    EMULATOR_ARITHMETIC(__hsub, -)
    EMULATOR_ARITHMETIC(__hmul, *)
    EMULATOR_ARITHMETIC(__hdiv, /)

// With u: also true where one of them is NaN. Without it, only != is.
#define EMULATOR_COMPARISON(NAME, SIGN)                                                             \
    friend bool operator SIGN(Self a, Self b) { return a.wide() SIGN b.wide(); }                    \
    friend bool NAME(Self a, Self b) { return ordered(a, b) && a.wide() SIGN b.wide(); }            \
    friend bool NAME##u(Self a, Self b) { return !ordered(a, b) || a.wide() SIGN b.wide(); }
    static bool ordered(Self a, Self b) { return a.wide() == a.wide() && b.wide() == b.wide(); }
    EMULATOR_COMPARISON(__heq, ==)
    EMULATOR_COMPARISON(__hne, !=)
    EMULATOR_COMPARISON(__hle, <=)
    EMULATOR_COMPARISON(__hge, >=)
    EMULATOR_COMPARISON(__hlt, <)
    EMULATOR_COMPARISON(__hgt, >)
    friend bool __hisnan(Self a) { return a.wide() != a.wide(); }
    friend int __hisinf(Self a) { return __builtin_isinf(a.wide()) ? (a.wide() > 0 ? 1 : -1) : 0; }
    friend Self __hmax_nan(Self a, Self b) { return ordered(a, b) ? __hmax(a, b) : of_bits(0x7fff); }
    friend Self __hmin_nan(Self a, Self b) { return ordered(a, b) ? __hmin(a, b) : of_bits(0x7fff); }
    // Of a number and NaN the number; +0 is more than -0.
    friend Self __hmax(Self a, Self b) { return extreme(a, b, a.wide() > b.wide() || (a.wide() == b.wide() && b.__x >> 15)); }
    friend Self __hmin(Self a, Self b) { return extreme(a, b, a.wide() < b.wide() || (a.wide() == b.wide() && a.__x >> 15)); }
    static Self extreme(Self a, Self b, bool first) {
        return __hisnan(a) && __hisnan(b) ? of_bits(0x7fff) : __hisnan(b) || (first && !__hisnan(a)) ? a : b;
    }

    // As exact as the C library makes them; a GPU approximates all but those that come out whole, and the root.
#define EMULATOR_FUNCTION(NAME, VALUE)                \
    friend Self NAME(Self a) {                        \
        double x = a.wide();                          \
        return of(VALUE);                             \
    }
    EMULATOR_FUNCTION(hceil, __builtin_ceil(x))
    EMULATOR_FUNCTION(hfloor, __builtin_floor(x))
    EMULATOR_FUNCTION(htrunc, __builtin_trunc(x))
    EMULATOR_FUNCTION(hrint, __builtin_rint(x))
    EMULATOR_FUNCTION(hsqrt, __builtin_sqrt(x))
    EMULATOR_FUNCTION(hrsqrt, 1 / __builtin_sqrt(x))
    EMULATOR_FUNCTION(hrcp, 1 / x)
    EMULATOR_FUNCTION(hexp, __builtin_exp(x))
    EMULATOR_FUNCTION(hexp2, __builtin_exp2(x))
    EMULATOR_FUNCTION(hexp10, __builtin_pow(10.0, x))
    EMULATOR_FUNCTION(hlog, __builtin_log(x))
    EMULATOR_FUNCTION(hlog2, __builtin_log2(x))
    EMULATOR_FUNCTION(hlog10, __builtin_log10(x))
    EMULATOR_FUNCTION(hsin, __builtin_sin(x))
    EMULATOR_FUNCTION(hcos, __builtin_cos(x))
    EMULATOR_FUNCTION(htanh, __builtin_tanh(x))
#undef EMULATOR_FUNCTION
};

}  // namespace emulator

// Two of them side by side: each function is that of its parts.
#define EMULATOR_PAIR(PAIR, T)                                                                              \
    struct alignas(4) PAIR {                                                                                \
        T x, y;                                                                                             \
        PAIR() = default;                                                                                   \
        constexpr PAIR(const T& x, const T& y) : x(x), y(y) {}                                              \
    };                                                                                                      \
    inline PAIR operator+(PAIR a, PAIR b) { return {a.x + b.x, a.y + b.y}; }                                \
    inline PAIR operator-(PAIR a, PAIR b) { return {a.x - b.x, a.y - b.y}; }                                \
    inline PAIR operator*(PAIR a, PAIR b) { return {a.x * b.x, a.y * b.y}; }                                \
    inline PAIR operator/(PAIR a, PAIR b) { return {a.x / b.x, a.y / b.y}; }                                \
    inline PAIR operator-(PAIR a) { return {-a.x, -a.y}; }                                                  \
    inline PAIR& operator+=(PAIR& a, PAIR b) { return a = a + b; }                                          \
    inline PAIR& operator-=(PAIR& a, PAIR b) { return a = a - b; }                                          \
    inline PAIR& operator*=(PAIR& a, PAIR b) { return a = a * b; }                                          \
    inline PAIR& operator/=(PAIR& a, PAIR b) { return a = a / b; }                                          \
    inline bool operator==(PAIR a, PAIR b) { return a.x == b.x && a.y == b.y; }                             \
    inline bool operator!=(PAIR a, PAIR b) { return a.x != b.x && a.y != b.y; }                             \
    inline PAIR __hfma2(PAIR a, PAIR b, PAIR c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }  \
    inline PAIR __hfma2_sat(PAIR a, PAIR b, PAIR c) { return {__hfma_sat(a.x, b.x, c.x), __hfma_sat(a.y, b.y, c.y)}; } \
    inline PAIR __hfma2_relu(PAIR a, PAIR b, PAIR c) { return {__hfma_relu(a.x, b.x, c.x), __hfma_relu(a.y, b.y, c.y)}; } \
    EMULATOR_PAIR_2(PAIR, __hadd2, __hadd) EMULATOR_PAIR_2(PAIR, __hsub2, __hsub)                           \
    EMULATOR_PAIR_2(PAIR, __hmul2, __hmul) EMULATOR_PAIR_2(PAIR, __h2div, __hdiv)                           \
    EMULATOR_PAIR_2(PAIR, __hadd2_rn, __hadd) EMULATOR_PAIR_2(PAIR, __hsub2_rn, __hsub)                     \
    EMULATOR_PAIR_2(PAIR, __hmul2_rn, __hmul) EMULATOR_PAIR_2(PAIR, __hadd2_sat, __hadd_sat)                \
    EMULATOR_PAIR_2(PAIR, __hsub2_sat, __hsub_sat) EMULATOR_PAIR_2(PAIR, __hmul2_sat, __hmul_sat)           \
    EMULATOR_PAIR_2(PAIR, __hmax2, __hmax) EMULATOR_PAIR_2(PAIR, __hmin2, __hmin)                           \
    EMULATOR_PAIR_2(PAIR, __hmax2_nan, __hmax_nan) EMULATOR_PAIR_2(PAIR, __hmin2_nan, __hmin_nan)           \
    EMULATOR_PAIR_1(PAIR, __hneg2, __hneg) EMULATOR_PAIR_1(PAIR, __habs2, __habs)                           \
    EMULATOR_PAIR_1(PAIR, h2ceil, hceil) EMULATOR_PAIR_1(PAIR, h2floor, hfloor)                             \
    EMULATOR_PAIR_1(PAIR, h2trunc, htrunc) EMULATOR_PAIR_1(PAIR, h2rint, hrint)                             \
    EMULATOR_PAIR_1(PAIR, h2sqrt, hsqrt) EMULATOR_PAIR_1(PAIR, h2rsqrt, hrsqrt)                             \
    EMULATOR_PAIR_1(PAIR, h2rcp, hrcp) EMULATOR_PAIR_1(PAIR, h2exp, hexp)                                   \
    EMULATOR_PAIR_1(PAIR, h2exp2, hexp2) EMULATOR_PAIR_1(PAIR, h2exp10, hexp10)                             \
    EMULATOR_PAIR_1(PAIR, h2log, hlog) EMULATOR_PAIR_1(PAIR, h2log2, hlog2)                                 \
    EMULATOR_PAIR_1(PAIR, h2log10, hlog10) EMULATOR_PAIR_1(PAIR, h2sin, hsin)                               \
    EMULATOR_PAIR_1(PAIR, h2cos, hcos) EMULATOR_PAIR_1(PAIR, h2tanh, htanh)                                 \
    EMULATOR_PAIR_IS(PAIR, T, eq) EMULATOR_PAIR_IS(PAIR, T, ne) EMULATOR_PAIR_IS(PAIR, T, le)               \
    EMULATOR_PAIR_IS(PAIR, T, ge) EMULATOR_PAIR_IS(PAIR, T, lt) EMULATOR_PAIR_IS(PAIR, T, gt)               \
    EMULATOR_PAIR_IS(PAIR, T, equ) EMULATOR_PAIR_IS(PAIR, T, neu) EMULATOR_PAIR_IS(PAIR, T, leu)            \
    EMULATOR_PAIR_IS(PAIR, T, geu) EMULATOR_PAIR_IS(PAIR, T, ltu) EMULATOR_PAIR_IS(PAIR, T, gtu)            \
    inline PAIR __hisnan2(PAIR a) { return {T::of(__hisnan(a.x)), T::of(__hisnan(a.y))}; }
#define EMULATOR_PAIR_1(PAIR, NAME, PART) \
    inline PAIR NAME(PAIR a) { return {PART(a.x), PART(a.y)}; }
#define EMULATOR_PAIR_2(PAIR, NAME, PART) \
    inline PAIR NAME(PAIR a, PAIR b) { return {PART(a.x, b.x), PART(a.y, b.y)}; }
#define EMULATOR_PAIR_IS(PAIR, T, NAME)                                                                        \
    inline PAIR __h##NAME##2(PAIR a, PAIR b) { return {T::of(__h##NAME(a.x, b.x)), T::of(__h##NAME(a.y, b.y))}; } \
    inline bool __hb##NAME##2(PAIR a, PAIR b) { return __h##NAME(a.x, b.x) && __h##NAME(a.y, b.y); }           \
    inline unsigned __h##NAME##2_mask(PAIR a, PAIR b) {                                                        \
        return (__h##NAME(a.x, b.x) ? 0xffffu : 0) | (__h##NAME(a.y, b.y) ? 0xffff0000u : 0);                  \
    }

// Conversions that both have under names of their own: NAME is half or bfloat16, RAW the type, PAIR the pair.
#define EMULATOR_SMALL_CONVERSIONS(NAME, RAW, PAIR)                                                                     \
    inline RAW __float2##NAME(float x) { return RAW::of(x); }                                                           \
    inline RAW __double2##NAME(double x) { return RAW::of(x); }                                                         \
    inline float __##NAME##2float(RAW x) { return float(x); }                                                           \
    inline RAW __short_as_##NAME(short bits) { return RAW::of_bits((unsigned short)bits); }                             \
    inline RAW __ushort_as_##NAME(unsigned short bits) { return RAW::of_bits(bits); }                                   \
    inline short __##NAME##_as_short(RAW x) { return (short)x.__x; }                                                    \
    inline unsigned short __##NAME##_as_ushort(RAW x) { return x.__x; }                                                 \
    inline PAIR __float2##NAME##2_rn(float x) { return {RAW::of(x), RAW::of(x)}; }                                      \
    inline PAIR __floats2##NAME##2_rn(float x, float y) { return {RAW::of(x), RAW::of(y)}; }                            \
    inline PAIR __float22##NAME##2_rn(float2 v) { return {RAW::of(v.x), RAW::of(v.y)}; }                                \
    inline float2 __##NAME##22float2(PAIR v) { return {float(v.x), float(v.y)}; }                                       \
    inline PAIR __halves2##NAME##2(RAW x, RAW y) { return {x, y}; }                                                     \
    inline PAIR __##NAME##2##NAME##2(RAW x) { return {x, x}; }                                                          \
    inline RAW __low2##NAME(PAIR v) { return v.x; }                                                                     \
    inline RAW __high2##NAME(PAIR v) { return v.y; }                                                                    \
    inline PAIR __low2##NAME##2(PAIR v) { return {v.x, v.x}; }                                                          \
    inline PAIR __high2##NAME##2(PAIR v) { return {v.y, v.y}; }                                                         \
    inline PAIR __lows2##NAME##2(PAIR a, PAIR b) { return {a.x, b.x}; }                                                 \
    inline PAIR __highs2##NAME##2(PAIR a, PAIR b) { return {a.y, b.y}; }                                                \
    inline float __low2float(PAIR v) { return float(v.x); }                                                             \
    inline float __high2float(PAIR v) { return float(v.y); }                                                            \
    inline PAIR __lowhigh2highlow(PAIR v) { return {v.y, v.x}; }                                                        \
    EMULATOR_SMALL_ROUNDED(NAME, RAW, rn, NEAREST)                                                                      \
    EMULATOR_SMALL_ROUNDED(NAME, RAW, rz, ZERO)                                                                         \
    EMULATOR_SMALL_ROUNDED(NAME, RAW, rd, DOWN)                                                                         \
    EMULATOR_SMALL_ROUNDED(NAME, RAW, ru, UP)
#define EMULATOR_SMALL_ROUNDED(NAME, RAW, MODE, ROUNDING)                                        \
    inline RAW __float2##NAME##_##MODE(float x) { return RAW::of(x, emulator::ROUNDING); }       \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, short, short)                              \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, ushort, unsigned short)                    \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, int, int)                                  \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, uint, unsigned)                            \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, ll, long long)                             \
    EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, ull, unsigned long long)
#define EMULATOR_SMALL_INTEGER(NAME, RAW, MODE, ROUNDING, WORD, I)                                            \
    inline I __##NAME##2##WORD##_##MODE(RAW x) { return emulator::to_integer<I>(x.wide(), emulator::ROUNDING); } \
    inline RAW __##WORD##2##NAME##_##MODE(I x) { return emulator::of_integer<RAW>(x, emulator::ROUNDING); }

namespace emulator {
// Where double cannot hold a whole number of 64 bits, the last bit that it holds is made odd, see above.
template <typename T, typename I>
inline T of_integer(I x, Rounding rounding) {
    Bits size = x < 0 ? Bits(0) - Bits(x) : Bits(x), rest = size & 0xfff;
    if (size >> 53) size = (size & ~Bits(0xfff)) | (rest ? Bits(0x800) : Bits(0));
    return T::of(x < 0 ? -double(size) : double(size), rounding);
}
}  // namespace emulator

// The type itself, the bits alone, and the pair. A whole number of 64 bits is rounded once, too.
#define EMULATOR_SMALL_TYPE(NAME, RAW, PAIR, FRACTION, EXPONENT)                  \
    struct RAW##_raw {                                                            \
        unsigned short x;                                                         \
    };                                                                            \
    struct RAW : emulator::Small<RAW, FRACTION, EXPONENT> {                       \
        RAW() = default;                                                          \
        RAW(const RAW##_raw& raw) { __x = raw.x; }                                \
        RAW(float x) { *this = of(x); }                                           \
        RAW(double x) { *this = of(x); }                                          \
        RAW(int x) { *this = of(x); }                                             \
        RAW(unsigned x) { *this = of(x); }                                        \
        RAW(short x) { *this = of(x); }                                           \
        RAW(unsigned short x) { *this = of(x); }                                  \
        RAW(long long x) { *this = emulator::of_integer<RAW>(x, emulator::NEAREST); }          \
        RAW(unsigned long long x) { *this = emulator::of_integer<RAW>(x, emulator::NEAREST); } \
        operator RAW##_raw() const { return {__x}; }                              \
    };                                                                            \
    EMULATOR_PAIR(PAIR, RAW)                                                      \
    EMULATOR_SMALL_CONVERSIONS(NAME, RAW, PAIR)                                   \
    inline PAIR make_##NAME##2(RAW x, RAW y) { return {x, y}; }                   \
    EMULATOR_ATOMIC(atomicAdd, RAW, old + value)                                  \
    EMULATOR_ATOMIC(atomicAdd, PAIR, old + value)
