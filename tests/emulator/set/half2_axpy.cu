// Two halves at a time.
// launch: axpy<<<3, 64>>>(y[300]=1, x[300], 2, 300)
#include <cuda_fp16.h>
__global__ void axpy(__half* y, const __half* x, float a, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    const half2* x2 = reinterpret_cast<const half2*>(x);
    half2* y2 = reinterpret_cast<half2*>(y);
    if (i < n / 2) y2[i] = __hfma2(__float2half2_rn(a), x2[i], y2[i]);  //@pair
    //= out of bounds @pair: if (i < n) y2[i] = __hfma2(__float2half2_rn(a), x2[i], y2[i]);
    //= race @pair: if (i < n / 2) y2[i / 2] = __hfma2(__float2half2_rn(a), x2[i], y2[i]);
}
