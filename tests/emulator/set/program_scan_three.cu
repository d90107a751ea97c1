// A scan of many blocks by three kernels: within blocks, of their sums, and added.
#include <stdio.h>
const int BLOCK = 64;
__global__ void scan_blocks(int* y, int* sums, const int* x, int n) {
    __shared__ int s[BLOCK];
    int t = threadIdx.x, i = blockIdx.x * BLOCK + t;
    s[t] = i < n ? x[i] : 0;
    __syncthreads();
    for (int k = 1; k < BLOCK; k *= 2) {
        int before = t >= k ? s[t - k] : 0;
        __syncthreads();
        //- race @add
        s[t] += before;  //@add
        __syncthreads();
    }
    if (i < n) y[i] = s[t];
    if (t == BLOCK - 1 && sums) sums[blockIdx.x] = s[t];
    //= race @each: if (sums) sums[blockIdx.x] = s[t];  //@each
}
__global__ void add_sums(int* y, const int* sums, int n) {
    int i = blockIdx.x * BLOCK + threadIdx.x;
    if (i < n && blockIdx.x > 0) y[i] += sums[blockIdx.x - 1];  //@sums
    //= wild pointer @sums: if (i < n) y[i] += sums[blockIdx.x - 1];
}
int main() {
    const int n = 1000, blocks = (n + BLOCK - 1) / BLOCK;
    int host[n], *x, *y, *sums, *totals;
    for (int i = 0; i < n; ++i) host[i] = i % 7;
    cudaMalloc(&x, sizeof(host));
    cudaMalloc(&y, sizeof(host));
    cudaMalloc(&sums, blocks * sizeof(int));
    //= out of bounds @none: cudaMalloc(&sums, sizeof(int));
    cudaMalloc(&totals, blocks * sizeof(int));
    cudaMemcpy(x, host, sizeof(host), cudaMemcpyHostToDevice);
    scan_blocks<<<blocks, BLOCK>>>(y, sums, x, n);
    scan_blocks<<<1, BLOCK>>>(totals, nullptr, sums, blocks);
    //- uninitialised @sums
    add_sums<<<blocks, BLOCK>>>(y, totals, n);
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    int sum = 0, got[n];
    cudaMemcpy(got, y, sizeof(got), cudaMemcpyDeviceToHost);
    for (int i = 0; i < n; ++i)
        if (got[i] != (sum += host[i])) return 2;
    cudaFree(x), cudaFree(y), cudaFree(sums), cudaFree(totals);
}
