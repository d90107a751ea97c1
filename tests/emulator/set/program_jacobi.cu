// Iterations that change their two arrays about.
#include <stdio.h>
#include <algorithm>
#include <vector>
__global__ void jacobi(float* next, const float* now, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i > 0 && i < n - 1) next[i] = 0.5f * (now[i - 1] + now[i + 1]);  //@step
    //= out of bounds @step: if (i < n) next[i] = 0.5f * (now[i - 1] + now[i + 1]);
    else if (i == 0 || i == n - 1) next[i] = now[i];
    //= uninitialised @step: else if (i == 0) next[i] = now[i];
}
int main() {
    const int n = 200;
    std::vector<float> host(n, 0.0f);
    host[0] = 1;
    float *a, *b;
    cudaMalloc(&a, n * sizeof(float));
    cudaMalloc(&b, n * sizeof(float));
    cudaMemcpy(a, host.data(), n * sizeof(float), cudaMemcpyHostToDevice);
    for (int step = 0; step < 4; ++step) {
        jacobi<<<2, 128>>>(b, a, n);
        //= race @step: jacobi<<<2, 128>>>(a, a, n);
        std::swap(a, b);
    }
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaMemcpy(host.data(), a, n * sizeof(float), cudaMemcpyDeviceToHost);
    cudaFree(a);
    //= cudaErrorInvalidValue @b: cudaFree(b);
    cudaFree(b);  //@b
    return host[1] > 0 ? 0 : 2;
}
