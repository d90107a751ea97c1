// A scan in one pass: each block waits for the sum of the one before it, which it publishes behind a flag.
#include <stdio.h>
__device__ unsigned next_block;
__global__ void scan(int* y, const int* x, volatile int* sums, unsigned* flags, int n) {
    __shared__ int tile[64];
    __shared__ unsigned block;
    if (threadIdx.x == 0) block = atomicAdd(&next_block, 1);
    __syncthreads();
    //- race @block
    int i = block * 64 + threadIdx.x, t = threadIdx.x;  //@block
    tile[t] = i < n ? x[i] : 0;
    for (int d = 1; d < 64; d *= 2) {
        __syncthreads();
        int v = t >= d ? tile[t - d] : 0;  //@tile
        __syncthreads();
        //- race @tile
        tile[t] += v;
    }
    __syncthreads();
    __shared__ int before;
    if (t == 0) {
        before = 0;
        if (block > 0) {
            while (atomicAdd(&flags[block - 1], 0) == 0) {}
            __threadfence();
            before = sums[block - 1];  //@sums
        }
        sums[block] = before + tile[63];
        __threadfence();
        //- race @sums
        atomicExch(&flags[block], 1u);
    }
    __syncthreads();
    //- race @out
    if (i < n) y[i] = before + tile[t];  //@out
}
int main() {
    const int n = 500, blocks = (n + 63) / 64;
    int h[n], *x, *y, *sums;
    unsigned* flags;
    for (int i = 0; i < n; ++i) h[i] = i % 3;
    cudaMalloc(&x, sizeof h); cudaMalloc(&y, sizeof h); cudaMalloc(&sums, blocks * 4); cudaMalloc(&flags, blocks * 4);
    cudaMemcpy(x, h, sizeof h, cudaMemcpyHostToDevice);
    cudaMemset(flags, 0, blocks * 4);
    scan<<<blocks, 64>>>(y, x, sums, flags, n);
    if (cudaGetLastError() != cudaSuccess) return 1;
    cudaMemcpy(h, y, sizeof h, cudaMemcpyDeviceToHost);
    int sum = 0, bad = 0;
    for (int i = 0; i < n; ++i) sum += i % 3, bad += h[i] != sum;
    cudaFree(x); cudaFree(y); cudaFree(sums); cudaFree(flags);
    return bad;
}
