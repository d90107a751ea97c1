// The product by tiles: two barriers a step, of which the second is forgotten most often.
// launch: matmul<<<(2, 2), (16, 16)>>>(c[32, 32], a[32, 32], b[32, 32], 32)
#define T 16
__global__ void matmul(float* c, const float* a, const float* b, int n) {
    __shared__ float left[T][T], right[T][T];
    int x = threadIdx.x, y = threadIdx.y, row = blockIdx.y * T + y, column = blockIdx.x * T + x;
    float sum = 0;
    for (int step = 0; step < n / T; ++step) {
        left[y][x] = a[row * n + step * T + x];
        right[y][x] = b[(step * T + y) * n + column];  //@fill
        __syncthreads();
        //- race @use
        for (int i = 0; i < T; ++i) sum += left[y][i] * right[i][x];  //@use
        __syncthreads();
        //- race @use
        //= race @use: __syncwarp();
    }
    c[row * n + column] = sum;
}
