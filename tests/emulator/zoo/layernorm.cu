// LayerNorm without its scale and shift: a block a row, whose warps sum by shuffles and meet in shared memory.
// launch: layernorm<<<4, 96>>>(y[4, 100], x[4, 100], 100, 1e-6)
__device__ float block_sum(float v, float* partial) {
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
    for (int bit = 16; bit > 0; bit /= 2) v += __shfl_xor_sync(0xffffffffu, v, bit);
    __syncthreads();  // everyone has read what an earlier sum left here
    if (lane == 0) partial[warp] = v;
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += partial[w];
    return sum;
}

__global__ void layernorm(float* y, const float* x, int width, float eps) {
    __shared__ float partial[32];
    const float* row = x + (size_t)blockIdx.x * width;
    float sum = 0;
    for (int c = threadIdx.x; c < width; c += blockDim.x) sum += row[c];
    float mean = block_sum(sum, partial) / width;
    sum = 0;
    for (int c = threadIdx.x; c < width; c += blockDim.x) sum += (row[c] - mean) * (row[c] - mean);
    float variance = block_sum(sum, partial) / width;
    float rstd = 1 / sqrt(variance + eps);
    for (int c = threadIdx.x; c < width; c += blockDim.x) y[blockIdx.x * width + c] = (row[c] - mean) * rstd;
}
