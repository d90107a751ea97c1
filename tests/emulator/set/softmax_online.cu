// Softmax with a running maximum, one block a row.
// launch: softmax<<<4, 128>>>(y[4, 1000], x[4, 1000], 1000)
#include <float.h>
struct MD { float m, d; };
__device__ MD join(MD a, MD b) {
    bool bigger = a.m > b.m;
    MD big = bigger ? a : b, small = bigger ? b : a;
    return {big.m, big.d + small.d * __expf(small.m - big.m)};
}
__global__ void softmax(float* y, const float* x, int n) {
    __shared__ MD part[4], total;
    const float* row = x + blockIdx.x * n;
    MD mine = {-FLT_MAX, 0};
    for (int i = threadIdx.x; i < n; i += blockDim.x) mine = join(mine, {row[i], 1});  //@row
    //= out of bounds @row: for (int i = threadIdx.x; i <= n; i += blockDim.x) mine = join(mine, {row[i + (blockIdx.x == 3)], 1});
    for (int k = 16; k > 0; k >>= 1) {
        MD other = {__shfl_xor_sync(~0u, mine.m, k), __shfl_xor_sync(~0u, mine.d, k)};
        mine = join(mine, other);
    }
    if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = mine;
    __syncthreads();
    //- race @join
    if (threadIdx.x == 0) {
        total = part[0];
        for (int w = 1; w < 4; ++w) total = join(total, part[w]);  //@join
    }
    __syncthreads();
    //- race @out
    for (int i = threadIdx.x; i < n; i += blockDim.x) y[blockIdx.x * n + i] = __expf(row[i] - total.m) / total.d;  //@out
}
