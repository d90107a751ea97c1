// A library's kernels as functions without types that are given pointers to the arguments. It stands before the reader's
// source, whose macros may have any name; what stands behind that says emulator_... alone.
#pragma once
#include "runtime.h"

namespace emulator {

template <typename T>
struct Number {
    static constexpr char kind = '?';
    static constexpr unsigned char size = 0, count = 0;
};
#define EMULATOR_NUMBERS(T, KIND, COUNT, ELEMENT)                             \
    template <>                                                               \
    struct Number<T> {                                                        \
        static constexpr char kind = KIND;                                    \
        static constexpr unsigned char size = sizeof(ELEMENT), count = COUNT; \
    };
#define EMULATOR_NUMBER(T, KIND) EMULATOR_NUMBERS(T, KIND, 1, T)
EMULATOR_NUMBERS(void, 'v', 1, char)
EMULATOR_NUMBER(bool, 'b')
EMULATOR_NUMBER(char, 'i')
EMULATOR_NUMBER(signed char, 'i')
EMULATOR_NUMBER(unsigned char, 'u')
EMULATOR_NUMBER(short, 'i')
EMULATOR_NUMBER(unsigned short, 'u')
EMULATOR_NUMBER(int, 'i')
EMULATOR_NUMBER(unsigned, 'u')
EMULATOR_NUMBER(long, 'i')
EMULATOR_NUMBER(unsigned long, 'u')
EMULATOR_NUMBER(long long, 'i')
EMULATOR_NUMBER(unsigned long long, 'u')
EMULATOR_NUMBER(float, 'f')
EMULATOR_NUMBER(double, 'f')
#if defined(EMULATOR_VECTORS_ARE_KNOWN)  // cuda_math.h was read
EMULATOR_NUMBERS(float2, 'f', 2, float)
EMULATOR_NUMBERS(float3, 'f', 3, float)
EMULATOR_NUMBERS(float4, 'f', 4, float)
EMULATOR_NUMBERS(double2, 'f', 2, double)
EMULATOR_NUMBERS(double3, 'f', 3, double)
EMULATOR_NUMBERS(double4, 'f', 4, double)
EMULATOR_NUMBERS(int2, 'i', 2, int)
EMULATOR_NUMBERS(int3, 'i', 3, int)
EMULATOR_NUMBERS(int4, 'i', 4, int)
EMULATOR_NUMBERS(uint2, 'u', 2, unsigned)
EMULATOR_NUMBERS(uint3, 'u', 3, unsigned)
EMULATOR_NUMBERS(uint4, 'u', 4, unsigned)
EMULATOR_NUMBERS(uchar4, 'u', 4, unsigned char)
#endif

template <typename T>
struct Pointee {
    typedef Number<T> number;
    static constexpr bool constant = false;
};
template <typename T>
struct Pointee<const T> {
    typedef Number<T> number;
    static constexpr bool constant = true;
};
template <typename T>
struct Pointee<volatile T> : Pointee<T> {};

template <typename T>
struct Argument {
    static constexpr Parameter parameter{Number<T>::kind, Number<T>::size, Number<T>::count, false, true};
};
template <typename T>
struct Argument<T*> {
    typedef typename Pointee<T>::number number;
    static constexpr Parameter parameter{number::kind, number::size, number::count, true, Pointee<T>::constant};
};

template <auto function>
struct Entry;
template <typename... A, void (*function)(A...)>
struct Entry<function> {
    static constexpr Parameter parameters[] = {Argument<A>::parameter..., Parameter{}};
    EMULATOR_UNTRACED Entry(A... arguments) { function(arguments...); }
    EMULATOR_UNTRACED static void call(void** arguments) {
        Entry{*static_cast<A*>(*arguments++)...};  // braces take them from left to right
        (void)arguments;
    }
    static constexpr Kernel emulator_named(const char* name) { return {name, call, parameters, sizeof...(A)}; }
};

}  // namespace emulator

template <auto function>
using emulator_entry = emulator::Entry<function>;
#define EMULATOR_KERNELS extern "C" const emulator_kernel emulator_kernels[] =
typedef emulator::Kernel emulator_kernel;

alignas(128) thread_local unsigned char emulator_dynamic_shared[emulator::MAX_SHARED + emulator::SHARED_GUARD];
