// A lock within a block, and one between blocks: who has it works, fences and gives it back.
// launch: lock<<<3, 64>>>(sum[1] = 0, taken[2] = 0, x[192])
__global__ void lock(volatile float* sum, int* taken, const float* x) {
    __shared__ int mine;
    __shared__ volatile float part;
    if (threadIdx.x == 0) {
        mine = 0;
        part = 0;
    }
    __syncthreads();
    for (bool done = false; !done;) {
        if (atomicCAS(&mine, 0, 1) != 0) continue;
        __threadfence_block();
        part = part + x[blockIdx.x * 64 + threadIdx.x];
        __threadfence_block();
        atomicExch(&mine, 0);
        done = true;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        while (atomicCAS(&taken[0], 0, 1) != 0) {}
        __threadfence();
        sum[0] = sum[0] + part;
        __threadfence();  // the sum is there before the lock is free
        atomicExch(&taken[0], 0);
    }
}
