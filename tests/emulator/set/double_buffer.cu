// The next tile is loaded while this one is used: one barrier a round is enough, with two buffers.
// launch: sums<<<2, 32>>>(y[64], x[2, 128], 4)
__global__ void sums(float* y, const float* x, int tiles) {
    __shared__ float s[2][32];
    //= array index @next: __shared__ float s[1][32];
    int t = threadIdx.x;
    const float* from = x + blockIdx.x * 32 * tiles;
    s[0][t] = from[t];
    float sum = 0;
    for (int i = 0; i < tiles; ++i) {
        __syncthreads();
        //- race @use
        if (i + 1 < tiles) s[(i + 1) % 2][t] = from[(i + 1) * 32 + t];  //@next
        //= out of bounds @next: s[(i + 1) % 2][t] = from[(i + 1) * 32 + t + 96];
        //= race @use: if (i + 1 < tiles) s[i % 2][t] = from[(i + 1) * 32 + t];
        sum += s[i % 2][(t + 1) % 32];  //@use
    }
    y[blockIdx.x * 32 + t] = sum;
}
