// Pi by random points, a generator of its own for each thread.
// launch: darts<<<4, 64>>>(hits[256], 100)
__global__ void darts(int* hits, int count) {
    unsigned state = (blockIdx.x * blockDim.x + threadIdx.x) * 747796405u + 1;
    int inside = 0;
    for (int i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        float x = (state >> 8) / 16777216.0f;
        state = state * 1664525u + 1013904223u;
        float y = (state >> 8) / 16777216.0f;
        inside += x * x + y * y < 1;
    }
    hits[blockIdx.x * blockDim.x + threadIdx.x] = inside;  //@store
    //= race @store: hits[threadIdx.x] = inside;
    //= out of bounds @store: hits[(blockIdx.x + 1) * blockDim.x + threadIdx.x] = inside;
    //= unwritten @none: if (inside > 100) hits[blockIdx.x * blockDim.x + threadIdx.x] = inside;
    //= uninitialised @store: hits[blockIdx.x * blockDim.x + threadIdx.x] += inside;
}
