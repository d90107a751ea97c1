// A warp's matrix products: D = A B + C. The lanes lay their parts of the matrices out for all of the warp, meet, and each
// computes its part of D. Products are exact; they are added to C in float32 one after the other, by ascending k. On a GPU
// the order is not documented. Halves are made of the sum at the end.
#pragma once
#include "bfloat16.h"
#include "half.h"

namespace emulator {

struct Tile {  // of a warp: A (M, K), B (K, N) and C (M, N), row by row, at most 32 by 16; doubles hold all of their numbers
    double a[512], b[512], c[512];
};
inline Tile tiles[MAX_THREADS / LANES][2];
inline unsigned products[MAX_THREADS];  // how many each thread has come to: two tiles take turns

// No lane overwrites a tile that another one still reads: to the next but one product all must have come.
EMULATOR_UNTRACED inline Tile& next_tile() { return tiles[current->number / LANES][products[current->number]++ % 2]; }
inline void meet_in_warp(Place here) { vote(~0u, 1, here); }

// A row of A and a column of B on top of C.
template <typename Sum>
EMULATOR_UNTRACED inline Sum product(const Tile& tile, int row, int column, int N, int K) {
    Sum sum = Sum(tile.c[row * N + column]);
    for (int k = 0; k < K; ++k) {
        if constexpr (sizeof(Sum) == 8)
            sum = __builtin_fma(tile.a[row * K + k], tile.b[k * N + column], sum);
        else if constexpr (Sum(0.5f) == 0)
            sum = Sum((unsigned)sum + (unsigned)(int)tile.a[row * K + k] * (unsigned)(int)tile.b[k * N + column]);
        else
            sum += Sum(tile.a[row * K + k] * tile.b[k * N + column]);
    }
    return sum;
}

// Rounded to the 10 bits of fraction of TF32, ties away from zero, as cvt.rna.tf32.f32 does.
inline float to_tf32(float x) {
    unsigned bits = unsigned(to_bits(x));
    return (bits & 0x7f800000) == 0x7f800000 ? x : from_bits<float>((bits + 0x1000) & ~0x1fffu);
}
inline float cut_to_tf32(float x) { return from_bits<float>(unsigned(to_bits(x)) & ~0x1fffu); }  // what the units read

}  // namespace emulator

inline float __float_to_tf32(float x) { return emulator::to_tf32(x); }

namespace nvcuda {
namespace wmma {

struct matrix_a;
struct matrix_b;
struct accumulator;
struct row_major;
struct col_major;
enum layout_t { mem_row_major, mem_col_major };
namespace precision {
struct tf32;
}
inline float __float_to_tf32(float x) { return emulator::to_tf32(x); }

template <typename T>
struct Stored {  // what a fragment of such numbers holds, and what the product reads of it
    typedef T type;
    static double read(T x) { return double(x); }
};
template <>
struct Stored<precision::tf32> {
    typedef float type;
    static double read(float x) { return emulator::cut_to_tf32(x); }
};
template <>
struct Stored<half> {
    typedef half type;
    static double read(half x) { return x.wide(); }
};
template <>
struct Stored<__nv_bfloat16> {
    typedef __nv_bfloat16 type;
    static double read(__nv_bfloat16 x) { return x.wide(); }
};
template <typename Use, int M, int N, int K>
struct Extent {
    static constexpr int rows = M, columns = N;
};
template <int M, int N, int K>
struct Extent<matrix_a, M, N, K> {
    static constexpr int rows = M, columns = K;
};
template <int M, int N, int K>
struct Extent<matrix_b, M, N, K> {
    static constexpr int rows = K, columns = N;
};
template <int M, int N, int K, typename T>
constexpr bool is_known() {  // the sizes that the units have
    constexpr bool square = M == 16 && N == 16 && K == 16, flat = M * N == 256 && (M == 8 || N == 8) && K == 16;
    return sizeof(typename Stored<T>::type) <= 2 ? square || flat
           : sizeof(typename Stored<T>::type) == 4 ? M == 16 && N == 16 && K == 8 : M == 8 && N == 8 && K == 4;
}

// Element i of a lane is number 32 i + lane of the matrix, row by row; on a GPU which one it is is not documented.
template <typename Use, int M, int N, int K, typename T, typename Layout = void>
struct fragment {
    static constexpr bool IS_SUM = __is_same(Use, accumulator);
    static_assert(IS_SUM || is_known<M, N, K, T>(), "wmma has no matrices of this size for this type");
    static_assert(IS_SUM || __is_same(Layout, row_major) || __is_same(Layout, col_major), "row_major or col_major?");
    typedef typename Stored<T>::type element_type, storage_element_type;
    static constexpr int ROWS = Extent<Use, M, N, K>::rows, COLUMNS = Extent<Use, M, N, K>::columns;
    static constexpr int num_elements = ROWS * COLUMNS / 32, num_storage_elements = num_elements;
    element_type x[num_elements];
};

template <typename T>
inline void check_place(const T* pointer, unsigned stride, const char* call, emulator::Place here) {
    unsigned long long address = (unsigned long long)pointer, wanted = 32;
    unsigned long long start = (unsigned long long)emulator::shared_memory.start;
    if (address - start < emulator::shared_memory.size) wanted = 16;  // where an array begins there, the compiler has said
    if (address % wanted)
        emulator::fail("misaligned matrix", here, "%s wants an address that is a multiple of 32 bytes: let each tile begin at one", call);
    if (stride * sizeof(T) % 16)
        emulator::fail("misaligned matrix", here, "%s with rows of %u elements: their bytes must be a multiple of 16", call, stride);
}

template <typename Use, int M, int N, int K, typename T, typename Layout, typename From>
EMULATOR_INLINE void emulator_load(fragment<Use, M, N, K, T, Layout>& f, const From* from, unsigned stride, bool by_rows,
                                   emulator::Place here) {
    check_place(from, stride, "load_matrix_sync", here);
    emulator::meet_in_warp(here);
    for (int i = 0; i < f.num_elements; ++i) {
        unsigned number = 32 * i + emulator::lane(), row = number / f.COLUMNS, column = number % f.COLUMNS;
        f.x[i] = from[by_rows ? row * stride + column : column * stride + row];
    }
}
template <typename Use, int M, int N, int K, typename T, typename Layout>
EMULATOR_INLINE void load_matrix_sync(fragment<Use, M, N, K, T, Layout>& f, const typename Stored<T>::type* from,
                                      unsigned stride, EMULATOR_HERE) {
    emulator_load(f, from, stride, __is_same(Layout, row_major), here);
}
template <int M, int N, int K, typename T>
EMULATOR_INLINE void load_matrix_sync(fragment<accumulator, M, N, K, T>& f, const T* from, unsigned stride, layout_t layout,
                                      EMULATOR_HERE) {
    emulator_load(f, from, stride, layout == mem_row_major, here);
}
template <int M, int N, int K, typename T>
EMULATOR_INLINE void store_matrix_sync(T* to, const fragment<accumulator, M, N, K, T>& f, unsigned stride, layout_t layout,
                                       EMULATOR_HERE) {
    check_place(to, stride, "store_matrix_sync", here);
    emulator::meet_in_warp(here);
    for (int i = 0; i < f.num_elements; ++i) {
        unsigned number = 32 * i + emulator::lane(), row = number / N, column = number % N;
        to[layout == mem_row_major ? row * stride + column : column * stride + row] = f.x[i];
    }
}
template <typename Use, int M, int N, int K, typename T, typename Layout, typename V>
inline void fill_fragment(fragment<Use, M, N, K, T, Layout>& f, const V& value) {
    for (auto& x : f.x) x = typename Stored<T>::type(value);
}

template <int M, int N, int K, typename A, typename LA, typename B, typename LB, typename D, typename C>
EMULATOR_UNTRACED inline void mma_sync(fragment<accumulator, M, N, K, D>& d, const fragment<matrix_a, M, N, K, A, LA>& a,
                                       const fragment<matrix_b, M, N, K, B, LB>& b,
                                       const fragment<accumulator, M, N, K, C>& c, bool = false, EMULATOR_HERE) {
    emulator::Tile& tile = emulator::next_tile();
    int lane = emulator::lane();
    for (int i = 0; i < a.num_elements; ++i) tile.a[32 * i + lane] = Stored<A>::read(a.x[i]);
    for (int i = 0; i < b.num_elements; ++i) tile.b[32 * i + lane] = Stored<B>::read(b.x[i]);
    for (int i = 0; i < c.num_elements; ++i) tile.c[32 * i + lane] = Stored<C>::read(c.x[i]);
    emulator::meet_in_warp(here);
    for (int i = 0; i < d.num_elements; ++i) {
        int number = 32 * i + lane;
        if constexpr (sizeof(D) == 2)
            d.x[i] = D(emulator::product<float>(tile, number / N, number % N, N, K));
        else
            d.x[i] = emulator::product<D>(tile, number / N, number % N, N, K);
    }
}

}  // namespace wmma
}  // namespace nvcuda
