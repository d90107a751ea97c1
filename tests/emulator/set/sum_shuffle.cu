// A warp's sum by shuffles.
// launch: sum<<<2, 96>>>(y[6], x[192])
__global__ void sum(float* y, const float* x) {
    int t = threadIdx.x, i = blockIdx.x * 96 + t;
    float v = x[i];
    for (int k = 16; k > 0; k /= 2) v += __shfl_down_sync(0xffffffffu, v, k);
    //= shuffle from an absent lane @s: for (int k = 16; k > 0; k /= 2) if (t % 32 < k) v += __shfl_down_sync(0xffffffffu, v, k);  //@s
    //= shuffle from an absent lane @m: for (int k = 16; k > 0; k /= 2) v += __shfl_down_sync(0xffff, v, k);  //@m
    if (t % 32 == 0) y[i / 32] = v;
    //= race @all: y[i / 32] = v;  //@all
    //= out of bounds @far: if (t % 32 == 0) y[i] = v;  //@far
}
