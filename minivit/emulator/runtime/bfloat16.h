// cuda_bf16.h: bfloat16, a float's first 16 bits, and two of them side by side. To Python they are unsigned numbers.
#pragma once
#include "small_floats.h"

EMULATOR_SMALL_TYPE(bfloat16, __nv_bfloat16, __nv_bfloat162, 7, 8)
typedef __nv_bfloat16 nv_bfloat16;
typedef __nv_bfloat162 nv_bfloat162;

#define CUDART_INF_BF16 __ushort_as_bfloat16(0x7f80)
#define CUDART_NAN_BF16 __ushort_as_bfloat16(0x7fff)
#define CUDART_ZERO_BF16 __ushort_as_bfloat16(0x0000)
#define CUDART_ONE_BF16 __ushort_as_bfloat16(0x3f80)

namespace emulator {
EMULATOR_NUMBERS(__nv_bfloat16, 'u', 1, unsigned short)
EMULATOR_NUMBERS(__nv_bfloat162, 'u', 2, unsigned short)
}  // namespace emulator
