// The sum of each row: a block a row, a tree in shared memory, the last 32 numbers by one warp.
// launch: row_sum<<<3, 128>>>(sums[3], x[3, 200], 200)
constexpr int THREADS = 128;

__global__ void row_sum(float* sums, const float* x, int width) {
    __shared__ float partial[THREADS];
    int t = threadIdx.x;
    const float* row = x + (size_t)blockIdx.x * width;
    float sum = 0;
    for (int c = t; c < width; c += THREADS) sum += row[c];
    partial[t] = sum;
    __syncthreads();
    for (int half = THREADS / 2; half >= 32; half /= 2) {
        if (t < half) partial[t] += partial[t + half];
        __syncthreads();
    }
    if (t < 32) {
        for (int half = 16; half > 0; half /= 2) {
            if (t < half) partial[t] += partial[t + half];
            __syncwarp();
        }
    }
    if (t == 0) sums[blockIdx.x] = partial[0];
}
