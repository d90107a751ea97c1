// A whole program: host code, memory, a kernel, a launch. Try it:
//
//   python -m minivit kernel examples/scale.cu               run it
//   python -m minivit kernel examples/scale.cu --check       look for mistakes: then make i < n into i <= n
//   python -m minivit kernel examples/scale.cu --profile     count what each line asks of the memory
#include <cstdio>
#include <vector>

#include <cuda_runtime.h>

__constant__ float factor;

__global__ void scale(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = factor * x[i];
}

int main() {
    const int n = 1000;
    const size_t bytes = n * sizeof(float);
    std::vector<float> x(n), y(n);
    for (int i = 0; i < n; ++i) x[i] = i;
    float *device_x, *device_y, three = 3;
    cudaMalloc(&device_x, bytes);
    cudaMalloc(&device_y, bytes);
    cudaMemcpy(device_x, x.data(), bytes, cudaMemcpyHostToDevice);
    cudaMemcpyToSymbol(factor, &three, sizeof three);
    scale<<<(n + 255) / 256, 256>>>(device_y, device_x, n);
    if (cudaError_t error = cudaGetLastError()) return printf("%s\n", cudaGetErrorString(error)), 1;
    cudaMemcpy(y.data(), device_y, bytes, cudaMemcpyDeviceToHost);
    printf("3 * %g = %g\n", x[n - 1], y[n - 1]);
    cudaFree(device_x);
    cudaFree(device_y);
}
