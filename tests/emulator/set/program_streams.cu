// Two streams, pinned memory, copies that do not wait.
#include <stdio.h>
__global__ void square(int* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] *= x[i];  //@square
    //= out of bounds @square: x[i] *= x[i];
}
int main() {
    const int n = 600, half = n / 2;
    int *host, *device;
    cudaMallocHost(&host, n * sizeof(int));
    cudaMalloc(&device, n * sizeof(int));
    //= cudaErrorInvalidValue @none: cudaMalloc(&device, half * sizeof(int));
    for (int i = 0; i < n; ++i) host[i] = i;
    cudaStream_t streams[2];
    for (int s = 0; s < 2; ++s) {
        cudaStreamCreate(&streams[s]);
        cudaMemcpyAsync(device + s * half, host + s * half, half * sizeof(int), cudaMemcpyHostToDevice, streams[s]);
        //= uninitialised @square: cudaMemcpyAsync(device, host, half * sizeof(int), cudaMemcpyHostToDevice, streams[s]);
        square<<<2, 256, 0, streams[s]>>>(device + s * half, half);
        cudaMemcpyAsync(host + s * half, device + s * half, half * sizeof(int), cudaMemcpyDeviceToHost, streams[s]);
        //= cudaErrorInvalidValue @copy: cudaMemcpyAsync(host + s * half, device + s * half, n * sizeof(int), cudaMemcpyDeviceToHost, streams[s]);  //@copy
    }
    for (int s = 0; s < 2; ++s) {
        if (cudaStreamSynchronize(streams[s])) return 1;
        cudaStreamDestroy(streams[s]);
    }
    if (cudaGetLastError()) return 1;
    for (int i = 0; i < n; ++i)
        if (host[i] != i * i) return 2;
    cudaFree(device);
    cudaFreeHost(host);
    //= cudaErrorInvalidValue @wrong: cudaFree(host);  //@wrong
    //= never freed @none: ;
}
