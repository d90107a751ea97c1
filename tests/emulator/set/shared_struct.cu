// A queue in shared memory: its length and its places.
// launch: queue<<<2, 64>>>(y[128] = 0, x[128])
__global__ void queue(int* y, const int* x) {
    __shared__ struct {
        int count, items[64];
    } q;
    int t = threadIdx.x;
    if (t == 0) q.count = 0;
    //- uninitialised @push
    __syncthreads();
    //- race @push
    if (x[blockIdx.x * 64 + t] > 4) q.items[atomicAdd(&q.count, 1)] = t;  //@push
    //= race @push: if (x[blockIdx.x * 64 + t] > 4) q.items[q.count++] = t;
    __syncthreads();
    //- race @pop
    if (t < q.count) y[blockIdx.x * 64 + t] = q.items[t];  //@pop
    //= uninitialised @pop: if (t <= q.count) y[blockIdx.x * 64 + t] = q.items[t];
}
