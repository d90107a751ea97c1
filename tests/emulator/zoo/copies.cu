// memcpy and memset: each thread copies a row of the block's tile, and clears one of the output first.
// launch: copies<<<2, 16>>>(y[32, 8], x[32, 8], 8)
__global__ void copies(float* y, const float* x, int width) {
    __shared__ float tile[16 * 8];
    int t = threadIdx.x, row = blockIdx.x * 16 + t;
    memset(y + row * width, 0, width * sizeof(float));
    memcpy(tile + t * width, x + row * width, width * sizeof(float));
    __syncthreads();
    for (int c = 0; c < width; ++c) y[row * width + c] += tile[(15 - t) * width + c];
}
