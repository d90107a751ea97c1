// More than 48 KB of dynamic shared memory has to be asked for.
#include <stdio.h>
__global__ void turn(float* x, int n) {
    extern __shared__ float s[];
    for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = x[i];
    __syncthreads();
    //- race @turn
    for (int i = threadIdx.x; i < n; i += blockDim.x) x[i] = s[n - 1 - i];  //@turn
}
int main() {
    const int n = 15000, bytes = n * sizeof(float);
    float* x;
    cudaMalloc(&x, bytes);
    cudaMemset(x, 0, bytes);
    if (cudaFuncSetAttribute(turn, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)) return 1;
    //= cudaErrorInvalidValue @launch: ;
    turn<<<1, 256, bytes>>>(x, n);  //@launch
    //= cudaErrorInvalidValue @launch: turn<<<1, 256, 4 * bytes>>>(x, n);
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaFree(x);
    return 0;
}
