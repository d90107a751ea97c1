// The barrier at the end of a loop, without which a fast thread fills the box while a slow one still reads it.
// launch: relay<<<1, 64>>>(y[64], x[5, 64], 5)
__global__ void relay(float* y, const float* x, int rounds) {
    __shared__ float box[64];
    int t = threadIdx.x;
    float sum = 0;
    for (int r = 0; r < rounds; ++r) {
        box[t] = x[r * 64 + t];  //@write
        __syncthreads();
        //- race @read
        sum += box[63 - t];  //@read
        __syncthreads();
        //- race @read
        //= race @read: if (r == 0) __syncthreads();
    }
    y[t] = sum;
}
