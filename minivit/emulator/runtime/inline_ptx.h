// What inline PTX of some fixed forms becomes (inline_ptx.py): mma.sync, ldmatrix, cvt.rna.tf32; cp.async is in
// async_copies.h. Fragments lie in the lanes as the PTX manual draws them: lane = 4 group + place.
#pragma once
#include "async_copies.h"
#include "tensor_cores.h"

inline unsigned long long __cvta_generic_to_shared(const void* pointer) {
    return (unsigned long long)((const char*)pointer - emulator::shared_memory.start);
}
inline void* __cvta_shared_to_generic(unsigned long long address) { return emulator::shared_memory.start + address; }
inline unsigned long long __cvta_generic_to_global(const void* pointer) { return (unsigned long long)pointer; }

namespace emulator {

template <typename T>
inline unsigned to_register(T value) {
    static_assert(sizeof(T) == 4, "a register of 32 bits");
    return unsigned(to_bits(value));
}
template <typename T>
inline void from_register(T& value, unsigned bits) {
    static_assert(sizeof(T) == 4, "a register of 32 bits");
    value = from_bits<T>(bits);
}

inline double read_half(unsigned bits) { return widened<10, 5>(bits & 0xffff); }
inline double read_bfloat16(unsigned bits) { return widened<7, 8>(bits & 0xffff); }

// m16n8k16 and m16n8k8 of numbers of 16 bits, two in a register; d and c are floats, or two halves in a register.
template <int K, bool BRAIN, bool WIDE>
EMULATOR_UNTRACED inline void mma_16(unsigned* d, const unsigned* a, const unsigned* b, const unsigned* c, Place here) {
    Tile& tile = next_tile();
    int group = lane() / 4, place = lane() % 4;
    for (int i = 0; i < K / 2; ++i) {  // a's numbers: by rows 0 and 8, then further columns
        int row = group + 8 * (i / 2 % 2), column = 2 * place + i % 2 + 8 * (i / 4);
        unsigned bits = a[i / 2] >> 16 * (i % 2);
        tile.a[row * K + column] = BRAIN ? read_bfloat16(bits) : read_half(bits);
    }
    for (int i = 0; i < K / 4; ++i) {
        int row = 2 * place + i % 2 + 8 * (i / 2);
        unsigned bits = b[i / 2] >> 16 * (i % 2);
        tile.b[row * 8 + group] = BRAIN ? read_bfloat16(bits) : read_half(bits);
    }
    for (int i = 0; i < 4; ++i)
        tile.c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2] =
            WIDE ? from_bits<float>(c[i]) : read_half(c[i / 2] >> 16 * (i % 2));
    meet_in_warp(here);
    for (int i = 0; i < 4; ++i) {
        float sum = product<float>(tile, group + 8 * (i / 2), 2 * place + i % 2, 8, K);
        if (WIDE)
            d[i] = unsigned(to_bits(sum));
        else
            d[i / 2] = (i % 2 ? d[i / 2] & 0xffff : 0) | narrow<10, 5>(sum, NEAREST) << 16 * (i % 2);
    }
}

// m16n8k8 of TF32: floats, whose last 13 bits are not read.
EMULATOR_UNTRACED inline void mma_tf32(unsigned* d, const unsigned* a, const unsigned* b, const unsigned* c, Place here) {
    Tile& tile = next_tile();
    int group = lane() / 4, place = lane() % 4;
    for (int i = 0; i < 4; ++i)
        tile.a[(group + 8 * (i % 2)) * 8 + place + 4 * (i / 2)] = cut_to_tf32(from_bits<float>(a[i]));
    for (int i = 0; i < 2; ++i) tile.b[(place + 4 * i) * 8 + group] = cut_to_tf32(from_bits<float>(b[i]));
    for (int i = 0; i < 4; ++i) tile.c[(group + 8 * (i / 2)) * 8 + 2 * place + i % 2] = from_bits<float>(c[i]);
    meet_in_warp(here);
    for (int i = 0; i < 4; ++i)
        d[i] = unsigned(to_bits(product<float>(tile, group + 8 * (i / 2), 2 * place + i % 2, 8, 8)));
}

// ldmatrix: lanes 8 m to 8 m + 7 say where the rows of matrix m lie; each lane gets two neighbours of one row of it.
inline uint4 matrix_rows[MAX_THREADS / LANES][2][LANES];
EMULATOR_UNTRACED inline unsigned part_of_row(const uint4& row, int half) {
    unsigned short numbers[8];
    __builtin_memcpy(numbers, &row, sizeof row);
    return numbers[half];
}
template <int COUNT, bool TURNED>
EMULATOR_INLINE void ldmatrix(unsigned* to, unsigned address, Place here) {
    uint4(&rows)[LANES] = matrix_rows[current->number / LANES][products[current->number]++ % 2];
    if (lane() < 8 * COUNT) rows[lane()] = *(const uint4*)__cvta_shared_to_generic(address);
    meet_in_warp(here);
    for (int m = 0; m < COUNT; ++m) {
        int first = lane() / 4, second = lane() % 4 * 2;
        to[m] = TURNED ? part_of_row(rows[8 * m + second], first) | part_of_row(rows[8 * m + second + 1], first) << 16
                       : part_of_row(rows[8 * m + first], second) | part_of_row(rows[8 * m + first], second + 1) << 16;
    }
}

}  // namespace emulator
