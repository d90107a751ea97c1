// Half a warp goes its own way; groups of eight lanes swap numbers; the block votes, and counts down and up again.
// launch: lanes<<<2, 64>>>(y[128], count[1] = 0)
__global__ void lanes(int* y, unsigned* count) {
    __shared__ int box[64];
    int t = threadIdx.x, lane = t % 32;
    box[t] = lane;
    y[blockIdx.x * 64 + t] = lane;
    if (lane < 16) {
        __syncwarp(0xffffu);
        y[blockIdx.x * 64 + t] = box[t / 32 * 32 + 15 - lane];
    }
    int swapped = __shfl_xor_sync(0xffffffffu, lane, 3, 8);
    if (swapped != (lane ^ 3)) __trap();
    int from_earlier_groups_alone = __shfl_xor_sync(0xffffffffu, lane, 8, 8);
    if (from_earlier_groups_alone != (lane & 8 ? lane - 8 : lane)) __trap();
    if (__syncthreads_and(t < 63)) __trap();
    if (!__syncthreads_and(t < 64)) __trap();
    if (atomicDec(count, 5) > 5) __trap();
}
