// A scan within a warp, by shuffles upwards.
// launch: scan<<<2, 64>>>(y[128], x[128])
__global__ void scan(int* y, const int* x) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x & 31;
    int v = x[i];
    for (int k = 1; k < 32; k *= 2) {
        int other = __shfl_up_sync(0xffffffffu, v, k);
        //= shuffle from an absent lane @s: int other = lane >= k ? __shfl_up_sync(0xffffffffu, v, k) : 0;  //@s
        if (lane >= k) v += other;
    }
    y[i] = v;
    //= unwritten @none: if (lane) y[i] = v;
}
