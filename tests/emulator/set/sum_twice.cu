// Two sums that use the same shared memory, one after the other.
// launch: moments<<<2, 64>>>(mean[2], spread[2], x[128])
__device__ float block_sum(float v, float* part) {
    int t = threadIdx.x;
    part[t] = v;  //@write
    __syncthreads();
    for (int k = 32; k > 0; k /= 2) {
        if (t < k) part[t] += part[t + k];
        __syncthreads();
    }
    float sum = part[0];  //@read
    __syncthreads();
    //- race @write
    return sum;
}
__global__ void moments(float* mean, float* spread, const float* x) {
    __shared__ float part[64];
    float v = x[blockIdx.x * 64 + threadIdx.x];
    float m = block_sum(v, part) / 64;
    float s = block_sum((v - m) * (v - m), part) / 64;
    if (threadIdx.x == 0) mean[blockIdx.x] = m, spread[blockIdx.x] = s;
    //= race @both: mean[blockIdx.x] = m; spread[blockIdx.x] = s;  //@both
}
