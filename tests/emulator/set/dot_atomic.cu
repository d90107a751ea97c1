// A dot product: a sum a block, added up by an atomic.
// launch: dot<<<4, 128>>>(sum[1] = 0, a[1000], b[1000], 1000)
__global__ void dot(float* sum, const float* a, const float* b, int n) {
    __shared__ float cache[128];
    int t = threadIdx.x;
    float mine = 0;
    for (int i = blockIdx.x * blockDim.x + t; i < n; i += gridDim.x * blockDim.x) mine += a[i] * b[i];
    cache[t] = mine;
    __syncthreads();
    //- race @tree
    for (int i = 64; i > 0; i /= 2) {
        if (t < i) cache[t] += cache[t + i];  //@tree
        __syncthreads();
        //- race @tree
    }
    if (t == 0) atomicAdd(sum, cache[0]);
    //= race @plain: if (t == 0) *sum += cache[0];  //@plain
}
