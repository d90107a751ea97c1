// A histogram a block in shared memory, added up at the end: three phases, two barriers.
// launch: histogram<<<2, 64>>>(bins[256] = 0, x[1000], 1000)
__global__ void histogram(unsigned* bins, const unsigned char* x, int n) {
    __shared__ unsigned mine[256];
    //= array index @zero: __shared__ unsigned mine[8];
    for (int b = threadIdx.x; b < 256; b += blockDim.x) mine[b] = 0;  //@zero
    //- uninitialised @add
    //= uninitialised @add: if (threadIdx.x < 256) mine[threadIdx.x + 192] = 0;
    __syncthreads();
    //- race @add
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x)
        atomicAdd(&mine[x[i]], 1u);  //@add
        //= race @plain: mine[x[i]] += 1;  //@plain
    __syncthreads();
    //- race @out
    for (int b = threadIdx.x; b < 256; b += blockDim.x) atomicAdd(&bins[b], mine[b]);  //@out
    //= race @out2: for (int b = threadIdx.x; b < 256; b += blockDim.x) bins[b] += mine[b];  //@out2
}
