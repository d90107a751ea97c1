// A counter of the file's own, read back by its name; and a kernel that prints.
#include <cstdio>
__device__ int found;
__global__ void search(const int* x, int n, int wanted) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n && x[i] == wanted) atomicAdd(&found, 1);  //@found
    //= race @found: if (i < n && x[i] == wanted) found++;
    //= out of bounds @found: if (x[i] == wanted && i < n) atomicAdd(&found, 1);
    if (i == 0) printf("looking for %d\n", wanted);
}
int main() {
    int host[300], *x, count;
    for (int i = 0; i < 300; ++i) host[i] = i % 10;
    cudaMalloc(&x, sizeof(host));
    cudaMemcpy(x, host, sizeof(host), cudaMemcpyHostToDevice);
    search<<<3, 128>>>(x, 300, 7);
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaMemcpyFromSymbol(&count, found, sizeof(int));
    //= cudaErrorInvalidValue @symbol: cudaMemcpyFromSymbol(&count, found, sizeof(double));  //@symbol
    cudaFree(x);
    return count == 30 ? 0 : 2;
}
