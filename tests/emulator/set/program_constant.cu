// A program with constant memory and a polynomial in it.
#include <cstdio>
#include <vector>
__constant__ float coefficients[4];
__global__ void polynomial(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float sum = 0;
    for (int k = 3; k >= 0; --k) sum = sum * x[i] + coefficients[k];  //@sum
    //= array index @sum: for (int k = 4; k >= 0; --k) sum = sum * x[i] + coefficients[k];
    y[i] = sum;
}
int main() {
    const int n = 100;
    std::vector<float> x(n, 2.0f), y(n);
    float c[4] = {1, 2, 3, 4}, *dx, *dy;
    cudaMalloc(&dx, n * sizeof(float));
    cudaMalloc(&dy, n * sizeof(float));
    cudaMemcpyToSymbol(coefficients, c, sizeof(c));
    //= cudaErrorInvalidValue @symbol: cudaMemcpyToSymbol(coefficients, c, 2 * sizeof(c));  //@symbol
    cudaMemcpy(dx, x.data(), n * sizeof(float), cudaMemcpyHostToDevice);
    polynomial<<<1, 128>>>(dy, dx, n);
    //= cudaErrorInvalidConfiguration @bad: polynomial<<<0, 128>>>(dy, dx, n);  //@bad
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaMemcpy(y.data(), dy, n * sizeof(float), cudaMemcpyDeviceToHost);
    //= cudaErrorInvalidValue @down: cudaMemcpy(y.data(), dy, n * sizeof(double), cudaMemcpyDeviceToHost);  //@down
    printf("%g\n", y[0]);
    cudaFree(dx);
    cudaFree(dy);
}
