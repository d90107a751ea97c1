// What the instructions of PTX do, as C++ functions. minivit/emulator/ptx/instructions.py lists which instruction is which
// function. A PTX instruction carries its type (add.s32, add.f32), and so a function here is a template over it.
// The rules are those of NVIDIA's "Parallel Thread Execution ISA". Memory, shuffles and atomics are in ptx_threads.h.
#pragma once
#include <fenv.h>

namespace ptx {

typedef __INT8_TYPE__ s8;
typedef __INT16_TYPE__ s16;
typedef __INT32_TYPE__ s32;
typedef __INT64_TYPE__ s64;
typedef __UINT8_TYPE__ u8;
typedef __UINT16_TYPE__ u16;
typedef __UINT32_TYPE__ u32;
typedef __UINT64_TYPE__ u64;
typedef float f32;
typedef double f64;
typedef bool pred;

template <typename T> struct Type { static constexpr bool IS_FLOAT = false, IS_SIGNED = T(-1) < T(0); };
template <> struct Type<f32> { static constexpr bool IS_FLOAT = true, IS_SIGNED = true; };
template <> struct Type<f64> { static constexpr bool IS_FLOAT = true, IS_SIGNED = true; };

template <typename T> struct Wide_ {};
template <> struct Wide_<s16> { typedef s32 type; };
template <> struct Wide_<u16> { typedef u32 type; };
template <> struct Wide_<s32> { typedef s64 type; };
template <> struct Wide_<u32> { typedef u64 type; };
template <> struct Wide_<s64> { typedef __int128 type; };
template <> struct Wide_<u64> { typedef unsigned __int128 type; };
template <typename T> using Wide = typename Wide_<T>::type;

template <int BYTES> struct Bits_ {};
template <> struct Bits_<1> { typedef u8 type; };
template <> struct Bits_<2> { typedef u16 type; };
template <> struct Bits_<4> { typedef u32 type; };
template <> struct Bits_<8> { typedef u64 type; };
template <typename T> using Bits = typename Bits_<sizeof(T)>::type;

template <typename T> constexpr u32 WIDTH = 8 * sizeof(T);

// ---- registers --------------------------------------------------------------------------------------------------
// A register holds bits; each instruction says how to read them. One wider than the type is read in its low bits, and
// filled up with zeros or the sign when it is written.
template <typename To, typename From> inline To as(From x) {
    if constexpr (sizeof(To) == sizeof(From)) return __builtin_bit_cast(To, x);
    else return To(x);
}

// ---- whole numbers ----------------------------------------------------------------------------------------------
// They wrap around. Signed overflow is undefined in C++, hence the way through u64.
template <typename T> inline T add(T a, T b) {
    if constexpr (Type<T>::IS_FLOAT) return a + b;
    else return T(u64(a) + u64(b));
}
template <typename T> inline T sub(T a, T b) {
    if constexpr (Type<T>::IS_FLOAT) return a - b;
    else return T(u64(a) - u64(b));
}
template <typename T> inline T mul(T a, T b) {
    if constexpr (Type<T>::IS_FLOAT) return a * b;
    else return T(u64(a) * u64(b));
}
template <typename T> inline Wide<T> mul_wide(T a, T b) { return Wide<T>(a) * Wide<T>(b); }
template <typename T> inline T mul_hi(T a, T b) { return T(mul_wide(a, b) >> WIDTH<T>); }
template <typename T> inline T mul24(T a, T b) { return mul(T(T(a << 8) >> 8), T(T(b << 8) >> 8)); }
template <typename T> inline T neg(T a) {
    if constexpr (Type<T>::IS_FLOAT) return -a;
    else return T(-u64(a));
}
template <typename T> inline T absolute(T a) {
    if constexpr (sizeof(T) == 8 && Type<T>::IS_FLOAT) return __builtin_fabs(a);
    else if constexpr (Type<T>::IS_FLOAT) return __builtin_fabsf(a);
    else return a < 0 ? neg(a) : a;
}
template <typename T> inline T distance(T a, T b) { return a < b ? sub(b, a) : sub(a, b); }

// The least integer divided by -1 would stop a CPU; on a GPU it wraps around. (Division by zero: ptx_threads.h.)
template <typename T> inline T divide(T a, T b) {
    if constexpr (!Type<T>::IS_FLOAT && Type<T>::IS_SIGNED) return b == -1 ? neg(a) : T(a / b);
    else return a / b;
}
template <typename T> inline T remainder(T a, T b) {
    if constexpr (Type<T>::IS_SIGNED) return b == -1 ? 0 : a % b;
    else return a % b;
}

// Multi-word arithmetic: .cc keeps the carry, addc and subc use it.
template <typename T> inline T add_carry(T a, T b, bool carry_in, bool& carry_out) {
    unsigned __int128 sum = (unsigned __int128)Bits<T>(a) + Bits<T>(b) + carry_in;
    carry_out = sum >> WIDTH<T>;
    return T(sum);
}
template <typename T> inline T sub_borrow(T a, T b, bool borrow_in, bool& borrow_out) {
    unsigned __int128 taken = (unsigned __int128)Bits<T>(b) + borrow_in;
    borrow_out = Bits<T>(a) < taken;
    return T(Bits<T>(a) - taken);
}

// ---- bits -------------------------------------------------------------------------------------------------------
// Shifts by the width or more give 0, or the sign; C++ leaves them undefined.
template <typename T> inline T shift_left(T a, u32 n) { return n < WIDTH<T> ? T(u64(a) << n) : T(0); }
template <typename T> inline T shift_right(T a, u32 n) {
    return n < WIDTH<T> ? T(a >> n) : T(Type<T>::IS_SIGNED && a < 0 ? -1 : 0);
}
// A window of 32 bits on b:a, shifted. "wrap" takes the shift modulo 32, "clamp" at most 32.
inline u32 funnel_left(u32 a, u32 b, u32 n) { return u32(((u64(b) << 32 | a) << n) >> 32); }
inline u32 funnel_right(u32 a, u32 b, u32 n) { return u32((u64(b) << 32 | a) >> n); }
inline u32 wrapped(u32 n) { return n & 31; }
inline u32 clamped(u32 n) { return n < 32 ? n : 32; }

template <typename T> inline u32 popc(T a) { return __builtin_popcountll(Bits<T>(a)); }
template <typename T> inline u32 clz(T a) { return a ? __builtin_clzll(Bits<T>(a)) - (64 - WIDTH<T>) : WIDTH<T>; }
template <typename T> inline u32 bfind(T a) {  // the place of the highest bit that differs from the sign
    return WIDTH<T> - 1 - clz(T(Type<T>::IS_SIGNED && a < 0 ? ~a : a));
}
template <typename T> inline u32 bfind_shift(T a) {
    u32 place = bfind(a);
    return place == 0xffffffffu ? place : WIDTH<T> - 1 - place;
}
template <typename T> inline T brev(T a) {
    T reversed = 0;
    for (u32 i = 0; i < WIDTH<T>; ++i) reversed |= T(a >> i & 1) << (WIDTH<T> - 1 - i);
    return reversed;
}
// The field of `length` bits that starts at `start`, as a number; the other way round, put a's low bits there into b.
template <typename T> inline T bfe(T a, u32 start, u32 length) {
    start &= 255;
    length &= 255;
    if (!length) return 0;
    T field = shift_right(a, start);
    if (length >= WIDTH<T>) return field;
    return shift_right(shift_left(field, WIDTH<T> - length), WIDTH<T> - length);
}
template <typename T> inline T bfi(T a, T b, u32 start, u32 length) {
    start &= 255;
    length &= 255;
    T mask = shift_left(T(~shift_left(T(~T(0)), length)), start);
    return (b & ~mask) | (shift_left(a, start) & mask);
}
// Each nibble of the selector picks one of the eight bytes of b:a for one byte of the result, or spreads its sign bit.
inline u32 prmt(u32 a, u32 b, u32 selector) {
    u64 bytes = u64(b) << 32 | a;
    u32 result = 0;
    for (int i = 0; i < 4; ++i) {
        u32 nibble = selector >> 4 * i & 15;
        u32 byte = u32(bytes >> 8 * (nibble & 7)) & 255;
        result |= (nibble & 8 ? (byte & 128 ? 255 : 0) : byte) << 8 * i;
    }
    return result;
}
// Any function of three bits: bit 4a + 2b + c of the table is its value.
inline u32 lop3(u32 a, u32 b, u32 c, u32 table) {
    u32 result = 0;
    for (u32 i = 0; i < 8; ++i)
        if (table >> i & 1) result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return result;
}
template <typename T> inline T cnot(T a) { return a == 0; }
template <typename T> inline T bit_and(T a, T b) { return a & b; }
template <typename T> inline T bit_or(T a, T b) { return a | b; }
template <typename T> inline T bit_xor(T a, T b) { return a ^ b; }
template <typename T> inline T bit_not(T a) { return T(~a); }
template <> inline pred bit_not(pred a) { return !a; }

// ---- real numbers -----------------------------------------------------------------------------------------------
inline f32 fused(f32 a, f32 b, f32 c) { return __builtin_fmaf(a, b, c); }
inline f64 fused(f64 a, f64 b, f64 c) { return __builtin_fma(a, b, c); }
template <typename T> inline T mad(T a, T b, T c) {
    if constexpr (Type<T>::IS_FLOAT) return fused(a, b, c);
    else return add(mul(a, b), c);
}
inline f32 square_root(f32 x) { return __builtin_sqrtf(x); }
inline f64 square_root(f64 x) { return __builtin_sqrt(x); }
template <typename T> inline T reciprocal(T x) { return 1 / x; }

// Subnormal numbers become zeros of their sign: .ftz, before and after an instruction.
inline f32 ftz(f32 x) { return __builtin_fabsf(x) < 0x1p-126f ? __builtin_copysignf(0.0f, x) : x; }
// .sat: into [0, 1], and NaN to 0.
template <typename T> inline T saturate(T x) { return x > 0 ? (x < 1 ? x : T(1)) : T(0); }

// add.rz, mul.rp and so on: the CPU rounds that way for one operation. Volatile keeps the compiler from moving it.
template <int MODE, typename F, typename... A> inline auto rounded(F operation, A... operands) {
    int usual = fegetround();
    fesetround(MODE);
    volatile auto result = [&](const volatile A&... x) { return operation(A(x)...); }(operands...);
    fesetround(usual);
    return decltype(operation(operands...))(result);
}

// The fast approximations of the special function unit: here as exact as the C library has them. Of rcp and rsqrt there
// is a form that sees and gives only the upper half of a double; the code that NVRTC puts around them refines it.
inline f64 upper_half(f64 x) { return as<f64>(as<u64>(x) & 0xffffffff00000000ull); }
inline f64 upper_reciprocal(f64 x) { return upper_half(1 / upper_half(x)); }
inline f64 upper_rsqrt(f64 x) { return upper_half(1 / __builtin_sqrt(upper_half(x))); }
inline f32 rsqrt(f32 x) { return f32(1 / __builtin_sqrt(f64(x))); }
inline f64 rsqrt(f64 x) { return 1 / __builtin_sqrt(x); }
inline f32 sine(f32 x) { return __builtin_sinf(x); }
inline f32 cosine(f32 x) { return __builtin_cosf(x); }
inline f32 log_2(f32 x) { return __builtin_log2f(x); }
inline f32 exp_2(f32 x) { return __builtin_exp2f(x); }
inline f32 hyperbolic_tangent(f32 x) { return __builtin_tanhf(x); }

template <typename T> inline bool is_nan(T x) { return x != x; }
template <typename T> inline bool is_infinite(T x) { return absolute(x) == T(__builtin_inf()); }
template <typename T> inline bool is_finite(T x) { return absolute(x) < T(__builtin_inf()); }
template <typename T> inline bool is_number(T x) { return x == x; }
template <typename T> inline bool is_normal(T x) {
    return is_finite(x) && absolute(x) >= (sizeof(T) == 4 ? T(0x1p-126) : T(0x1p-1022));
}
template <typename T> inline bool is_subnormal(T x) { return is_finite(x) && x != 0 && !is_normal(x); }
template <typename T> inline T with_sign_of(T sign, T x) {
    constexpr Bits<T> SIGN = Bits<T>(1) << (WIDTH<T> - 1);
    return as<T>(Bits<T>((as<Bits<T>>(sign) & SIGN) | (as<Bits<T>>(x) & ~SIGN)));
}

// The smaller and the larger. NaN loses against a number, but for .NaN; and -0 is smaller than +0.
template <typename T> inline T minimum(T a, T b) {
    if constexpr (Type<T>::IS_FLOAT) {
        if (a != a) return b;
        if (a == b) return as<T>(Bits<T>(as<Bits<T>>(a) | as<Bits<T>>(b)));
    }
    return b < a ? b : a;
}
template <typename T> inline T maximum(T a, T b) {
    if constexpr (Type<T>::IS_FLOAT) {
        if (a != a) return b;
        if (a == b) return as<T>(Bits<T>(as<Bits<T>>(a) & as<Bits<T>>(b)));
    }
    return b > a ? b : a;
}
template <typename T> inline T minimum_nan(T a, T b) { return a != a ? a : b != b ? b : minimum(a, b); }
template <typename T> inline T maximum_nan(T a, T b) { return a != a ? a : b != b ? b : maximum(a, b); }

template <typename T> inline T select(T a, T b, pred which) { return which ? a : b; }

// ---- conversions ------------------------------------------------------------------------------------------------
inline f32 round_even(f32 x) { return __builtin_rintf(x); }  // cvt.rni: to the nearest whole number, ties to even
inline f64 round_even(f64 x) { return __builtin_rint(x); }
inline f32 round_zero(f32 x) { return __builtin_truncf(x); }
inline f64 round_zero(f64 x) { return __builtin_trunc(x); }
inline f32 round_down(f32 x) { return __builtin_floorf(x); }
inline f64 round_down(f64 x) { return __builtin_floor(x); }
inline f32 round_up(f32 x) { return __builtin_ceilf(x); }
inline f64 round_up(f64 x) { return __builtin_ceil(x); }

template <typename T> constexpr T LOWEST = Type<T>::IS_SIGNED ? T(Bits<T>(1) << (WIDTH<T> - 1)) : T(0);
template <typename T> constexpr T HIGHEST = T(~LOWEST<T>);

// A whole real number as an integer: what does not fit becomes the nearest that does.
template <typename To, typename From> inline To to_integer(From x) {
    if (x != x) return sizeof(From) == 8 || sizeof(To) == 8 ? To(Bits<To>(1) << (WIDTH<To> - 1)) : To(0);
    if (x <= From(LOWEST<To>)) return LOWEST<To>;
    if (x >= 2 * From(Bits<To>(1) << (WIDTH<To> - 1 - Type<To>::IS_SIGNED))) return HIGHEST<To>;
    return To(x);
}
template <typename To, typename From> inline To convert(From x) { return To(x); }
template <typename To, typename From> inline To convert_clamped(From x) {  // cvt.sat between integers
    __int128 wide = x;
    return wide < LOWEST<To> ? LOWEST<To> : wide > HIGHEST<To> ? HIGHEST<To> : To(x);
}

}  // namespace ptx
