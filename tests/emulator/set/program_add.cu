// A whole program: memory, copies, a launch, a comparison on the host.
#include <stdio.h>
#include <stdlib.h>
#include <cuda_runtime.h>
__global__ void add(float* c, const float* a, const float* b, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];  //@add
    //= out of bounds @add: c[i] = a[i] + b[i];
}
int main() {
    const int n = 1000;
    size_t bytes = n * sizeof(float);
    float *a = (float*)malloc(bytes), *b = (float*)malloc(bytes), *c = (float*)malloc(bytes);
    for (int i = 0; i < n; ++i) a[i] = i, b[i] = 2 * i;
    float *d_a, *d_b, *d_c;
    cudaMalloc(&d_a, bytes);
    //= cudaErrorInvalidValue @up: cudaMalloc(&d_a, n);
    cudaMalloc(&d_b, bytes);
    cudaMalloc(&d_c, bytes);
    //= out of bounds @add: cudaMalloc(&d_c, bytes - 4);
    cudaMemcpy(d_a, a, bytes, cudaMemcpyHostToDevice);  //@up
    //= cudaErrorInvalidValue @up: cudaMemcpy(d_a, a, bytes, cudaMemcpyDeviceToHost);
    //- uninitialised @add
    cudaMemcpy(d_b, b, bytes, cudaMemcpyHostToDevice);
    add<<<(n + 255) / 256, 256>>>(d_c, d_a, d_b, n);  //@launch
    //= cudaErrorIllegalAddress @launch: add<<<(n + 255) / 256, 256>>>(d_c, a, d_b, n);
    //= cudaErrorInvalidConfiguration @launch: add<<<1, n + 255>>>(d_c, d_a, d_b, n);
    if (cudaGetLastError() != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess) return 1;
    //= error not asked for @launch: ;
    cudaMemcpy(c, d_c, bytes, cudaMemcpyDeviceToHost);
    for (int i = 0; i < n; ++i)
        if (c[i] != 3 * i) return 2;
    cudaFree(d_a);
    //= cudaErrorInvalidValue @free: cudaFree(a);  //@free
    cudaFree(d_b);
    //= cudaErrorInvalidValue @twice: cudaFree(d_a);  //@twice
    cudaFree(d_c);
    //= never freed @none: ;
    free(a), free(b), free(c);
    puts("right");
}
