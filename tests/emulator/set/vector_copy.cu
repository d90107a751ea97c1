// 16 bytes at a time, and the rest one by one.
// launch: copy<<<2, 32>>>(y[203], x[203], 203)
__global__ void copy(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n / 4) ((float4*)y)[i] = ((const float4*)x)[i];  //@vector
    //= out of bounds @vector: if (i <= n / 4) ((float4*)y)[i] = ((const float4*)x)[i];
    //= misaligned @vector: if (i < n / 4) ((float4*)(y + 1))[i] = ((const float4*)x)[i];
    //= misaligned @vector: if (i < n / 4) ((float4*)y)[i] = ((const float4*)(x + 2))[i];
    int rest = n / 4 * 4 + i;
    if (rest < n) y[rest] = x[rest];  //@rest
    //- unwritten @none
    //= out of bounds @rest: if (rest <= n) y[rest] = x[rest];
}
