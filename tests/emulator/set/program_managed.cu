// Managed memory: one pointer for both sides.
#include <stdio.h>
#include <stdlib.h>
__global__ void fill(float* x, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) x[i] = 2 * x[i] + 1;  //@fill
    //= out of bounds @fill: for (int i = blockIdx.x * blockDim.x + threadIdx.x; i <= n; i += blockDim.x * gridDim.x) x[i] = 2 * x[i] + 1;
    //= race @fill: for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] = 2 * x[i] + 1;
}
int main() {
    const int n = 500;
    float* x;
    cudaMallocManaged(&x, n * sizeof(float));
    //= cudaErrorIllegalAddress @launch: x = (float*)malloc(n * sizeof(float));
    for (int i = 0; i < n; ++i) x[i] = 1;
    fill<<<2, 128>>>(x, n);  //@launch
    if (cudaGetLastError() != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess) return 1;
    printf("%g\n", x[n - 1]);
    cudaFree(x);
}
