// A block copies a tile together: cooperative_groups::memcpy_async.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cstdio>
namespace cg = cooperative_groups;
__global__ void sums(float* y, const float* x, int n) {
    extern __shared__ float tile[];
    auto block = cg::this_thread_block();
    cg::memcpy_async(block, tile, x + blockIdx.x * n, sizeof(float) * n);  //@copy
    //= out of bounds @copy: cg::memcpy_async(block, tile, x + blockIdx.x * n + 1, sizeof(float) * n);
    cg::wait(block);
    //- uninitialised @read
    if (threadIdx.x == 0) {
        float sum = 0;
        for (int i = 0; i < n; ++i) sum += tile[i];  //@read
        y[blockIdx.x] = sum;
    }
}
int main() {
    const int blocks = 3, n = 100;
    float host[blocks * n], back[blocks], *x, *y;
    for (int i = 0; i < blocks * n; ++i) host[i] = i % 10;
    cudaMalloc(&x, sizeof host);
    cudaMalloc(&y, sizeof back);
    cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
    sums<<<blocks, 64, n * sizeof(float)>>>(y, x, n);
    //= out of bounds @copy: sums<<<blocks, 64, n>>>(y, x, n);
    if (cudaGetLastError() != cudaSuccess) return 1;
    cudaMemcpy(back, y, sizeof back, cudaMemcpyDeviceToHost);
    for (int i = 0; i < blocks; ++i)
        if (back[i] != 450) return printf("%d: %f\n", i, back[i]), 1;
    cudaFree(x);
    cudaFree(y);
}
