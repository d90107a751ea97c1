// C = A B by tiles of 16 x 16 in shared memory.
// launch: matmul<<<(2, 2), (16, 16)>>>(c[20, 24], a[20, 30], b[30, 24], 20, 24, 30)
constexpr int T = 16;

__global__ void matmul(float* c, const float* a, const float* b, int rows, int columns, int inner) {
    __shared__ float left[T][T], right[T][T];
    int x = threadIdx.x, y = threadIdx.y, column = blockIdx.x * T + x, row = blockIdx.y * T + y;
    float sum = 0;
    for (int k = 0; k < inner; k += T) {
        left[y][x] = row < rows && k + x < inner ? a[row * inner + k + x] : 0;
        right[y][x] = k + y < inner && column < columns ? b[(k + y) * columns + column] : 0;
        __syncthreads();
        for (int i = 0; i < T; ++i) sum += left[y][i] * right[i][x];
        __syncthreads();
    }
    if (row < rows && column < columns) c[row * columns + column] = sum;
}
