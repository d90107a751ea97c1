// A histogram with atomics on global memory.
// launch: histogram<<<3, 64>>>(bins[10] = 0, x[500], 500)
__global__ void histogram(int* bins, const int* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    for (; i < n; i += blockDim.x * gridDim.x) atomicAdd(&bins[x[i]], 1);  //@add
    //= race @plain: for (; i < n; i += blockDim.x * gridDim.x) bins[x[i]]++;  //@plain
    //= out of bounds @over: for (; i < n; i += blockDim.x * gridDim.x) atomicAdd(&bins[x[i] + 1], 1);  //@over
    //= out of bounds @n: for (; i <= n; i += blockDim.x * gridDim.x) if (x[i] < 10) atomicAdd(&bins[x[i]], 1);  //@n
}
