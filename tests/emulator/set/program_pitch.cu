// Rows with a pitch.
#include <stdio.h>
__global__ void twice(float* x, size_t pitch, int columns, int rows) {
    int c = threadIdx.x, r = blockIdx.x;
    if (c < columns && r < rows) {
        float* row = (float*)((char*)x + r * pitch);
        //= out of bounds @twice: float* row = x + r * pitch;
        row[c] *= 2;  //@twice
    }
}
int main() {
    const int rows = 10, columns = 50;
    float host[rows][columns], *device;
    for (int i = 0; i < rows * columns; ++i) host[i / columns][i % columns] = i;
    size_t pitch, width = columns * sizeof(float);
    cudaMallocPitch(&device, &pitch, width, rows);
    cudaMemcpy2D(device, pitch, host, width, width, rows, cudaMemcpyHostToDevice);
    //= cudaErrorInvalidValue @up: cudaMemcpy2D(device, width / 2, host, width, width, rows, cudaMemcpyHostToDevice);  //@up
    twice<<<rows, 64>>>(device, pitch, columns, rows);
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaMemcpy2D(host, width, device, pitch, width, rows, cudaMemcpyDeviceToHost);
    //= cudaErrorInvalidValue @down: cudaMemcpy2D(host, width, device, pitch, width, 2 * rows, cudaMemcpyDeviceToHost);  //@down
    cudaFree(device);
    return host[9][49] == 2 * 499 ? 0 : 2;
}
