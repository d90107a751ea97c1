// Softmax of each row: a warp a row, two rows a block, shuffles alone.
// launch: softmax<<<3, 64>>>(y[5, 70], x[5, 70], 5, 70)
__global__ void softmax(float* y, const float* x, int rows, int width) {
    int row = blockIdx.x * 2 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    x += row * width;
    y += row * width;
    float largest = -3e38f;
    for (int c = lane; c < width; c += 32) largest = fmaxf(largest, x[c]);
    for (int bit = 16; bit > 0; bit /= 2) largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, bit));
    float sum = 0;
    for (int c = lane; c < width; c += 32) sum += expf(x[c] - largest);
    for (int bit = 16; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, bit);
    for (int c = lane; c < width; c += 32) y[c] = expf(x[c] - largest) / sum;
}
