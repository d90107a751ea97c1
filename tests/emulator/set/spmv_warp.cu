// The same, a warp a row.
// launch: spmv<<<7, 64>>>(y[13], values[13, 70], columns[13, 70], x[10], 13, 70)
__global__ void spmv(float* y, const float* values, const int* columns, const float* x, int rows, int each) {
    int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x & 31;
    if (row >= rows) return;
    //- out of bounds @sum
    float sum = 0;
    for (int i = row * each + lane; i < (row + 1) * each; i += 32) sum += values[i] * x[columns[i]];  //@sum
    for (int k = 16; k > 0; k /= 2) sum += __shfl_down_sync(0xffffffffu, sum, k);
    //= shuffle from an absent lane @s: for (int k = 16; k > lane; k /= 2) sum += __shfl_down_sync(0xffffffffu, sum, k);  //@s
    if (lane == 0) y[row] = sum;
    //= race @y: y[row] = sum;  //@y
}
