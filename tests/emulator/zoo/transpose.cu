// A tiled transpose: a tile is read by rows and written by columns, both in whole rows of memory.
// launch: transpose<<<(2, 2), (32, 8)>>>(y[40, 50], x[50, 40], 50, 40)
constexpr int TILE = 32, STEP = 8;

__global__ void transpose(float* y, const float* x, int rows, int width) {
    __shared__ float tile[TILE][TILE + 1];
    int c = blockIdx.x * TILE + threadIdx.x;
    for (int i = threadIdx.y; i < TILE; i += STEP) {
        int r = blockIdx.y * TILE + i;
        if (r < rows && c < width) tile[i][threadIdx.x] = x[r * width + c];
    }
    __syncthreads();
    int r = blockIdx.y * TILE + threadIdx.x;
    for (int i = threadIdx.y; i < TILE; i += STEP) {
        int column = blockIdx.x * TILE + i;
        if (r < rows && column < width) y[column * rows + r] = tile[threadIdx.x][i];
    }
}
