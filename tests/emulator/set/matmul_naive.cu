// A product of matrices, a thread an element.
// launch: matmul<<<(2, 3), (16, 16)>>>(c[40, 30], a[40, 25], b[25, 30], 40, 25, 30)
__global__ void matmul(float* c, const float* a, const float* b, int m, int k, int n) {
    int row = blockIdx.y * blockDim.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    //= race @store: int row = blockIdx.y + threadIdx.y, column = blockIdx.x * blockDim.x + threadIdx.x;
    if (row >= m || column >= n) return;
    //- out of bounds @sum
    //= out of bounds @sum: if (row > m || column >= n) return;
    float sum = 0;
    for (int i = 0; i < k; ++i) sum += a[row * k + i] * b[i * n + column];  //@sum
    //= out of bounds @over: for (int i = 0; i <= k; ++i) sum += a[row * k + i] * b[i * n + column];  //@over
    c[row * n + column] = sum;  //@store
}
