// The host may not follow the device's pointers.
#include <stdio.h>
__global__ void one(int* x) { *x = 1; }
int main() {
    int *x, y = 0;
    cudaMalloc(&x, sizeof(int));
    one<<<1, 1>>>(x);
    if (cudaGetLastError() || cudaDeviceSynchronize()) return 1;
    cudaMemcpy(&y, x, sizeof(int), cudaMemcpyDeviceToHost);
    //= device memory @none: y = *x;
    cudaFree(x);
    //= cudaErrorInvalidValue @early: cudaFree(x); cudaMemcpy(&y, x, sizeof(int), cudaMemcpyDeviceToHost);  //@early
    printf("%d\n", y);
}
