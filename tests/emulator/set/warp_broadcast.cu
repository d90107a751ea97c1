// Lane 0 reads, and tells the others.
// launch: spread<<<2, 64>>>(y[128], x[4])
__global__ void spread(float* y, const float* x) {
    int i = blockIdx.x * 64 + threadIdx.x;
    float v = 0;
    if (threadIdx.x % 32 == 0) v = x[i / 32];
    //= out of bounds @x: if (threadIdx.x % 32 == 0) v = x[i];  //@x
    v = __shfl_sync(0xffffffffu, v, 0);
    //= shuffle from an absent lane @s: if (threadIdx.x % 32) v = __shfl_sync(0xffffffffu, v, 0);  //@s
    //= mask without its caller @s: v = __shfl_sync(1u, v, 0);  //@s
    y[i] = v;
}
