// The mean of seven neighbours: a tile with a halo on either side.
// launch: stencil<<<5, 64>>>(y[320], x[326])
#define RADIUS 3
__global__ void stencil(float* y, const float* x) {
    __shared__ float tile[64 + 2 * RADIUS];
    int t = threadIdx.x, i = blockIdx.x * 64 + t;
    tile[t + RADIUS] = x[i + RADIUS];
    if (t < RADIUS) {
        tile[t] = x[i];
        //- uninitialised @sum
        tile[t + 64 + RADIUS] = x[i + 64 + RADIUS];  //@right
        //= array index @wrong: tile[t + 64 + 2 * RADIUS] = x[i + 64 + RADIUS];  //@wrong
        //= out of bounds @over: tile[t + 64 + RADIUS] = x[i + 64 + 2 * RADIUS];  //@over
    }
    __syncthreads();
    //- race @sum
    float sum = 0;
    for (int k = 0; k <= 2 * RADIUS; ++k) sum += tile[t + k];  //@sum
    y[i] = sum / 7;
}
