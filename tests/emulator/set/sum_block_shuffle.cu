// A block's sum: each warp by shuffles, then one warp over the warps.
// launch: sum<<<3, 128>>>(y[3], x[384])
__global__ void sum(float* y, const float* x) {
    __shared__ float part[4];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    float v = x[blockIdx.x * blockDim.x + threadIdx.x];
    for (int k = 16; k > 0; k /= 2) v += __shfl_xor_sync(0xffffffffu, v, k);
    if (lane == 0) part[warp] = v;
    //= race @every: part[warp] = v;  //@every
    __syncthreads();
    //- race @read
    if (warp == 0) {
        v = lane < 4 ? part[lane] : 0;  //@read
        //= array index @read2: v = lane < 8 ? part[lane] : 0;  //@read2
        for (int k = 2; k > 0; k /= 2) v += __shfl_xor_sync(0xffffffffu, v, k);
        //= shuffle from an absent lane @last: for (int k = 4; lane < 4 && k > 0; k /= 2) v += __shfl_xor_sync(0xffffffffu, v, k);  //@last
        if (lane == 0) y[blockIdx.x] = v;
    }
}
