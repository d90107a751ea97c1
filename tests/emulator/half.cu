// Every function of half and bfloat16 that test_half.py holds to NumPy, one kernel for several.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define I (blockIdx.x * blockDim.x + threadIdx.x)

__global__ void from_float(half* y, const float* x, int n) {  // y: (4, n), by the four roundings
    if (I >= n) return;
    y[I] = __float2half(x[I]);
    y[n + I] = __float2half_rz(x[I]);
    y[2 * n + I] = __float2half_rd(x[I]);
    y[3 * n + I] = __float2half_ru(x[I]);
}
__global__ void from_double(half* y, const double* x, int n) {
    if (I < n) y[I] = __double2half(x[I]);
}
__global__ void to_float(float* y, const half* x, int n) {
    if (I < n) y[I] = __half2float(x[I]);
}
__global__ void to_int(int* y, const half* x, int n) {
    if (I >= n) return;
    y[I] = __half2int_rn(x[I]);
    y[n + I] = __half2int_rz(x[I]);
    y[2 * n + I] = __half2int_rd(x[I]);
    y[3 * n + I] = __half2int_ru(x[I]);
}
__global__ void to_short(short* y, const half* x, int n) {
    if (I < n) y[I] = __half2short_rz(x[I]);
}
__global__ void from_ll(half* y, __nv_bfloat16* z, const long long* x, int n) {
    if (I >= n) return;
    y[I] = __ll2half_rn(x[I]);
    z[I] = __ll2bfloat16_rn(x[I]);
}
__global__ void arithmetic(half* y, const half* a, const half* b, int n) {  // y: (12, n)
    if (I >= n) return;
    half p = a[I], q = b[I];
    half2 both = __hadd2(__halves2half2(p, q), __half2half2(q));
    half results[] = {__hadd(p, q), p - q, __hmul(p, q), p / q, -p, __habs(p), hsqrt(p), hrint(p), __hmax(p, q), __hmin(p, q),
                      __low2half(both), __hadd_sat(p, q)};
#pragma unroll
    for (int k = 0; k < 12; ++k) y[k * n + I] = results[k];
}
__global__ void comparisons(unsigned* y, const half* a, const half* b, int n) {
    if (I >= n) return;
    half p = a[I], q = b[I];
    y[I] = __heq(p, q) | (p < q) << 1 | __hge(p, q) << 2 | (p != q) << 3 | __hne(p, q) << 4 | __hltu(p, q) << 5 |
           __hisnan(p) << 6 | (p > q) << 7 | (__heq2_mask(__halves2half2(p, q), __halves2half2(q, q)) >> 31) << 8;
}
__global__ void fused(half* y, const half* a, const half* b, const half* c, int n) {
    if (I < n) y[I] = __hfma(a[I], b[I], c[I]);
}
__global__ void narrow(__nv_bfloat16* y, const float* x, int n) {
    if (I >= n) return;
    y[I] = __float2bfloat16(x[I]);
    y[n + I] = __float2bfloat16_rz(x[I]);
}
__global__ void brain(__nv_bfloat16* y, const __nv_bfloat16* a, const __nv_bfloat16* b, int n) {  // y: (5, n)
    if (I >= n) return;
    __nv_bfloat16 p = a[I], q = b[I];
    y[I] = p + q;
    y[n + I] = p - q;
    y[2 * n + I] = __hmul(p, q);
    y[3 * n + I] = p / q;
    y[4 * n + I] = __hfma(p, q, p);
}
__global__ void brain_fused(__nv_bfloat16* y, const __nv_bfloat16* a, const __nv_bfloat16* b, const __nv_bfloat16* c, int n) {
    if (I < n) y[I] = __hfma(a[I], b[I], c[I]);
}
__global__ void sums(half* y, half2* z, __nv_bfloat16* w, const half* x, int n) {
    if (I >= n) return;
    atomicAdd(y, x[I]);
    atomicAdd(z, __half2half2(x[I]));
    atomicAdd(w, __float2bfloat16(__half2float(x[I])));
}
__global__ void reduced(half* y, const half* x) {
    half value = x[threadIdx.x];
    for (int step = 16; step; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
    y[threadIdx.x] = value;
}
__global__ void turned(half2* y, const half2* x, half factor, half2 more, int n) {
    if (I < n) y[I] = __hfma2(__lowhigh2highlow(x[I]), __half2half2(factor), more);
}
