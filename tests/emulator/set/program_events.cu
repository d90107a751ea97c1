// The time of a kernel by events.
#include <iostream>
__global__ void work(double* y, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = sin(i * 0.1) * cos(i * 0.2);  //@work
    //= out of bounds @work: if (i <= n) y[i] = sin(i * 0.1) * cos(i * 0.2);
}
int main() {
    const int n = 3000;
    double* y;
    cudaMalloc((void**)&y, n * sizeof(double));
    //= out of bounds @work: cudaMalloc((void**)&y, n * sizeof(float));
    cudaEvent_t start, stop;
    cudaEventCreate(&start);
    cudaEventCreate(&stop);
    cudaEventRecord(start);
    work<<<(n + 127) / 128, 128>>>(y, n);
    cudaEventRecord(stop);
    if (cudaGetLastError() != cudaSuccess || cudaEventSynchronize(stop) != cudaSuccess) return 1;
    float milliseconds = -1;
    cudaEventElapsedTime(&milliseconds, start, stop);
    std::cout << (milliseconds >= 0 ? "measured" : "not measured") << std::endl;
    cudaEventDestroy(start);
    cudaEventDestroy(stop);
    cudaFree(y);
}
