// A lock for a warp: its first lane takes it and gives it back, all its lanes work meanwhile. The other warps wait.
// launch: warp_lock<<<2, 96>>>(y[32, 2] = 0, x[96])
__global__ void warp_lock(float* y, const float* x) {
    __shared__ int taken;
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    int lane = threadIdx.x % 32;
    if (lane == 0)
        while (atomicExch(&taken, 1) == 1) {}
    __syncwarp();
    y[blockIdx.x * 32 + lane] += x[threadIdx.x];
    __threadfence_block();
    __syncwarp();
    if (lane == 0) atomicExch(&taken, 0);
}
