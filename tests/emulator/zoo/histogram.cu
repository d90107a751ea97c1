// How often each class occurs: counted in shared memory with atomics, then added to the whole with atomics.
// launch: histogram<<<3, 64>>>(counts[10] = 0, labels[400], 400)
constexpr int CLASSES = 10;

__global__ void histogram(int* counts, const int* labels, int n) {
    __shared__ int mine[CLASSES];
    if (threadIdx.x < CLASSES) mine[threadIdx.x] = 0;
    __syncthreads();
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&mine[labels[i]], 1);
    __syncthreads();
    if (threadIdx.x < CLASSES) atomicAdd(&counts[threadIdx.x], mine[threadIdx.x]);
}
