// Products of small matrices by a warp's tensor cores, from Ampere on (sm_80): D += A B with A (16, 8), B (8, 8), D
// (16, 8).
//
// All 32 lanes hold a part of each, and only together do they make a product: 2,048 operations for one instruction,
// where a warp's own multiplications are 64. A lane is number 4 · group + place, and has (PTX ISA, "Matrix Fragments
// for mma.m16n8k8", .tf32)
//
//   A   rows group and group + 8, of columns place and place + 4:        a0 a2
//                                                                        a1 a3
//   B   rows place and place + 4 of column group
//   D   rows group and group + 8, of columns 2 place and 2 place + 1:    d0 d1
//                                                                        d2 d3
//
// The numbers of A and B are TF32: floats that end after 10 bits of fraction, not 23. Rounding costs each of them up to
// 2⁻¹¹ of itself, and a product 2 · 2⁻¹¹: that is one term. Three terms keep what was rounded off, as a second TF32: a
// product is then off by 2⁻²¹ at most, half of which is the product of two rests, left out, the other half what the
// rests lose (Ootomo and Yokota, arXiv 2203.03341).
//
// In which order the unit adds is not told, and where floats would round it cuts (Fasi et al., PeerJ CS 7:e330). So
// results are held to a bound, not to bits.
#pragma once
#include "common.cuh"

__device__ __forceinline__ unsigned to_tf32(float x) {
    unsigned bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));  // to nearest; the unit itself would cut
    return bits;
}

// A lane's COUNT numbers of a matrix.
template <int COUNT, int TERMS>
struct Fragment {
    static_assert(TERMS == 1 || TERMS == 3, "a product of one term, or of three");
    unsigned big[COUNT], rest[COUNT];

    __device__ __forceinline__ void set(int i, float x) {
        big[i] = to_tf32(x);
        if (TERMS == 3) rest[i] = to_tf32(x - __uint_as_float(big[i]));
    }
};

__device__ __forceinline__ void mma(float& d0, float& d1, float& d2, float& d3, const unsigned (&a)[4],
                                    const unsigned (&b)[2]) {
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d0), "+f"(d1), "+f"(d2), "+f"(d3)
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// D += A B. One term is added to D by the unit. Three begin at nothing, the small ones first, and come to D by a float
// addition, as the paper has it: what the unit cuts off always has the same sign, and would add up, product by product.
template <int TERMS>
__device__ __forceinline__ void add_product(float& d0, float& d1, float& d2, float& d3, const Fragment<4, TERMS>& a,
                                            const Fragment<2, TERMS>& b) {
    if (TERMS == 1) {
        mma(d0, d1, d2, d3, a.big, b.big);
        return;
    }
    float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    mma(s0, s1, s2, s3, a.rest, b.big);
    mma(s0, s1, s2, s3, a.big, b.rest);
    mma(s0, s1, s2, s3, a.big, b.big);
    d0 += s0;
    d1 += s1;
    d2 += s2;
    d3 += s3;
}
