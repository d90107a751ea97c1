// cuda_fp16.h: half, 5 bits of exponent and 10 of fraction, and two of them side by side.
#pragma once
#include "small_floats.h"

EMULATOR_SMALL_TYPE(half, __half, __half2, 10, 5)
typedef __half half;
typedef __half2 half2;

#define CUDART_INF_FP16 __ushort_as_half(0x7c00)
#define CUDART_NAN_FP16 __ushort_as_half(0x7fff)
#define CUDART_ZERO_FP16 __ushort_as_half(0x0000)
#define CUDART_NEG_ZERO_FP16 __ushort_as_half(0x8000)
#define CUDART_ONE_FP16 __ushort_as_half(0x3c00)
#define CUDART_MAX_NORMAL_FP16 __ushort_as_half(0x7bff)
#define CUDART_MIN_DENORM_FP16 __ushort_as_half(0x0001)

namespace emulator {
EMULATOR_NUMBER(__half, 'f')
EMULATOR_NUMBERS(__half2, 'f', 2, __half)
}  // namespace emulator
