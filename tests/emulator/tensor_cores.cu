// Matrix products of a warp: by wmma, by mma.sync with its documented fragments, and with ldmatrix and cp.async.
#include <cuda_pipeline.h>
#include <mma.h>
#include <stdint.h>
using namespace nvcuda;

// One tile: (M, K) times (K, N), row by row, or A^T and B^T where that is said.
template <typename T, typename D, int M, int N, int K, typename LA, typename LB>
__device__ void tile(D* d, const typename wmma::fragment<wmma::matrix_a, M, N, K, T, LA>::element_type* a,
                     const typename wmma::fragment<wmma::matrix_b, M, N, K, T, LB>::element_type* b, const D* c, int lda,
                     int ldb) {
    wmma::fragment<wmma::matrix_a, M, N, K, T, LA> fa;
    wmma::fragment<wmma::matrix_b, M, N, K, T, LB> fb;
    wmma::fragment<wmma::accumulator, M, N, K, D> sum;
    wmma::load_matrix_sync(fa, a, lda);
    wmma::load_matrix_sync(fb, b, ldb);
    wmma::load_matrix_sync(sum, c, N, wmma::mem_row_major);
    wmma::mma_sync(sum, fa, fb, sum);
    wmma::store_matrix_sync(d, sum, N, wmma::mem_row_major);
}
__global__ void of_half(float* d, const half* a, const half* b, const float* c) {
    tile<half, float, 16, 16, 16, wmma::row_major, wmma::row_major>(d, a, b, c, 16, 16);
}
__global__ void of_half_turned(half* d, const half* a, const half* b, const half* c) {
    tile<half, half, 16, 16, 16, wmma::col_major, wmma::col_major>(d, a, b, c, 16, 16);
}
__global__ void of_half_flat(float* d, const half* a, const half* b, const float* c) {
    tile<half, float, 32, 8, 16, wmma::row_major, wmma::row_major>(d, a, b, c, 16, 8);
}
__global__ void of_bfloat16(float* d, const __nv_bfloat16* a, const __nv_bfloat16* b, const float* c) {
    tile<__nv_bfloat16, float, 16, 16, 16, wmma::row_major, wmma::row_major>(d, a, b, c, 16, 16);
}
__global__ void of_bytes(int* d, const signed char* a, const signed char* b, const int* c) {
    tile<signed char, int, 16, 16, 16, wmma::row_major, wmma::row_major>(d, a, b, c, 16, 16);
}
__global__ void of_double(double* d, const double* a, const double* b, const double* c) {
    tile<double, double, 8, 8, 4, wmma::row_major, wmma::row_major>(d, a, b, c, 4, 8);
}
__global__ void of_tf32(float* d, const float* a, const float* b, int convert) {
    wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
    wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::col_major> fb;
    wmma::fragment<wmma::accumulator, 16, 16, 8, float> sum;
    wmma::fill_fragment(sum, 0.0f);
    wmma::load_matrix_sync(fa, a, 8);
    wmma::load_matrix_sync(fb, b, 8);
    if (convert) {
        for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
        for (int i = 0; i < fb.num_elements; ++i) fb.x[i] = wmma::__float_to_tf32(fb.x[i]);
    }
    wmma::mma_sync(sum, fa, fb, sum);
    wmma::store_matrix_sync(d, sum, 16, wmma::mem_col_major);
}

// mma.sync: each lane reads its own numbers, where the PTX manual draws them.
#define GROUP (threadIdx.x / 4)
#define PLACE (threadIdx.x % 4)
#define MMA_16816(D, A, B, C)                                                                       \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "                               \
                 "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %11, %12, %13};\n"            \
                 : "=f"(D[0]), "=f"(D[1]), "=f"(D[2]), "=f"(D[3])                                   \
                 : "r"(A[0]), "r"(A[1]), "r"(A[2]), "r"(A[3]), "r"(B[0]), "r"(B[1]), "f"(C[0]), "f"(C[1]), \
                   "f"(C[2]), "f"(C[3]))

__device__ uint32_t two(const uint16_t* low, int step) { return low[0] | uint32_t(low[step]) << 16; }
__global__ void mma_half(float* d, const uint16_t* a, const uint16_t* b, const float* c) {
    float sum[4], from[4];
    for (int i = 0; i < 4; ++i) from[i] = c[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2];
    uint32_t ra[4], rb[2];
    for (int i = 0; i < 4; ++i) ra[i] = two(a + (GROUP + 8 * (i % 2)) * 16 + 2 * PLACE + 8 * (i / 2), 1);
    for (int i = 0; i < 2; ++i) rb[i] = two(b + (2 * PLACE + 8 * i) * 8 + GROUP, 8);
    MMA_16816(sum, ra, rb, from);
    for (int i = 0; i < 4; ++i) d[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2] = sum[i];
}
__global__ void mma_bfloat16_8(float* d, const uint16_t* a, const uint16_t* b, const float* c) {
    float s0 = c[GROUP * 8 + 2 * PLACE], s1 = c[GROUP * 8 + 2 * PLACE + 1], s2 = c[(GROUP + 8) * 8 + 2 * PLACE],
          s3 = c[(GROUP + 8) * 8 + 2 * PLACE + 1];
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};\n"
                 : "+f"(s0), "+f"(s1), "+f"(s2), "+f"(s3)
                 : "r"(two(a + GROUP * 8 + 2 * PLACE, 1)), "r"(two(a + (GROUP + 8) * 8 + 2 * PLACE, 1)),
                   "r"(two(b + 2 * PLACE * 8 + GROUP, 8)));
    d[GROUP * 8 + 2 * PLACE] = s0, d[GROUP * 8 + 2 * PLACE + 1] = s1;
    d[(GROUP + 8) * 8 + 2 * PLACE] = s2, d[(GROUP + 8) * 8 + 2 * PLACE + 1] = s3;
}
__global__ void mma_half_8(uint32_t* d, const uint16_t* a, const uint16_t* b) {  // into halves, two in a register
    uint32_t s[2], zero = 0;
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f16.f16.f16.f16 {%0, %1}, {%2, %3}, {%4}, {%5, %6};"
                 : "=r"(s[0]), "=r"(s[1])
                 : "r"(two(a + GROUP * 8 + 2 * PLACE, 1)), "r"(two(a + (GROUP + 8) * 8 + 2 * PLACE, 1)),
                   "r"(two(b + 2 * PLACE * 8 + GROUP, 8)), "r"(zero), "r"(zero));
    d[GROUP * 4 + PLACE] = s[0], d[(GROUP + 8) * 4 + PLACE] = s[1];
}
__device__ uint32_t tf32(float x) {
    uint32_t bits;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
    return bits;
}
__global__ void mma_tf32(float* d, const float* a, const float* b) {
    float s[4] = {};
    uint32_t ra[4], rb[2];
    for (int i = 0; i < 4; ++i) ra[i] = tf32(a[(GROUP + 8 * (i % 2)) * 8 + PLACE + 4 * (i / 2)]);
    for (int i = 0; i < 2; ++i) rb[i] = tf32(b[(PLACE + 4 * i) * 8 + GROUP]);
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%10, %11, %12, %13};\n"
        : "=f"(s[0]), "=f"(s[1]), "=f"(s[2]), "=f"(s[3])
        : "r"(ra[0]), "r"(ra[1]), "r"(ra[2]), "r"(ra[3]), "r"(rb[0]), "r"(rb[1]), "f"(s[0]), "f"(s[1]), "f"(s[2]), "f"(s[3]));
    for (int i = 0; i < 4; ++i) d[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2] = s[i];
}

// The same product as mma_half, as libraries load it: cp.async into shared memory, ldmatrix, B's numbers turned.
__global__ void staged(float* d, const half* a, const half* b, const float* c) {
    __shared__ __align__(128) half sa[16 * 16];
    __shared__ __align__(128) half sb[16 * 8];
    uint32_t to = (uint32_t)__cvta_generic_to_shared(sa + 8 * threadIdx.x);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(to), "l"(a + 8 * threadIdx.x));
    asm volatile("cp.async.commit_group;\n" ::);
    if (threadIdx.x < 16) __pipeline_memcpy_async(sb + 8 * threadIdx.x, b + 8 * threadIdx.x, 16);
    __pipeline_commit();
    asm volatile("cp.async.wait_group %0;\n" ::"n"(1));
    __syncwarp();
    uint32_t ra[4], rb[2];
    uint32_t from = (uint32_t)__cvta_generic_to_shared(sa + threadIdx.x % 16 * 16 + threadIdx.x / 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];\n"
                 : "=r"(ra[0]), "=r"(ra[1]), "=r"(ra[2]), "=r"(ra[3])
                 : "r"(from));
    asm volatile("cp.async.wait_all;\n");
    __syncwarp();
    from = (uint32_t)__cvta_generic_to_shared(sb + threadIdx.x % 16 * 8);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(rb[0]), "=r"(rb[1]) : "r"(from));
    float s[4];
    for (int i = 0; i < 4; ++i) s[i] = c[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2];
    MMA_16816(s, ra, rb, s);
    for (int i = 0; i < 4; ++i) d[(GROUP + 8 * (i / 2)) * 8 + 2 * PLACE + i % 2] = s[i];
}
