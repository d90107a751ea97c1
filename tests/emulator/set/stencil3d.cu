// Seven points in three dimensions.
// launch: stencil<<<(2, 2, 2), (4, 4, 4)>>>(y[8, 8, 8] = 0, x[8, 8, 8], 8)
__global__ void stencil(float* y, const float* x, int n) {
    int i = blockIdx.x * 4 + threadIdx.x, j = blockIdx.y * 4 + threadIdx.y, k = blockIdx.z * 4 + threadIdx.z;
    //= race @y: int i = blockIdx.x * 4 + threadIdx.x, j = blockIdx.y * 4 + threadIdx.y, k = threadIdx.z + 2;
    if (i < 1 || j < 1 || k < 1 || i > n - 2 || j > n - 2 || k > n - 2) return;
    //= out of bounds @y: if (i < 1 || j < 1 || k < 1 || i > n - 2 || j > n - 2) return;
    int at = (k * n + j) * n + i;
    y[at] = x[at - 1] + x[at + 1] + x[at - n] + x[at + n] + x[at - n * n] + x[at + n * n] - 6 * x[at];  //@y
}
