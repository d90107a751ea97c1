// Softmax, a warp a row, four rows a block; the last block has rows too many.
// launch: softmax<<<3, 128>>>(y[10, 40], x[10, 40], 10, 40)
__global__ void softmax(float* y, const float* x, int rows, int n) {
    int row = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    //- out of bounds @read
    //= out of bounds @read: if (row > rows) return;
    float top = -1e30f, sum = 0;
    for (int c = lane; c < n; c += 32) top = fmaxf(top, x[row * n + c]);  //@read
    for (int k = 16; k > 0; k /= 2) top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, k));
    //= shuffle from an absent lane @s: for (int k = 16; k > 0; k /= 2) top = fmaxf(top, __shfl_xor_sync(0xffu, top, k));  //@s
    for (int c = lane; c < n; c += 32) sum += expf(x[row * n + c] - top);
    for (int k = 16; k > 0; k /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, k);
    for (int c = lane; c < n; c += 32) y[row * n + c] = expf(x[row * n + c] - top) / sum;
    //= race @y: for (int c = lane; c < n; c += 16) y[row * n + c] = expf(x[row * n + c] - top) / sum;  //@y
}
