// A transpose through a tile, eight rows of threads for a tile of 32.
// launch: transpose<<<(2, 2), (32, 8)>>>(y[64, 64], x[64, 64], 64)
#define TILE 32
__global__ void transpose(float* y, const float* x, int n) {
    __shared__ float tile[TILE][TILE + 1];
    int c = blockIdx.x * TILE + threadIdx.x, r = blockIdx.y * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += 8) tile[threadIdx.y + j][threadIdx.x] = x[(r + j) * n + c];
    //= uninitialised @write: for (int j = 0; j < TILE / 2; j += 8) tile[threadIdx.y + j][threadIdx.x] = x[(r + j) * n + c];
    //= array index @bad: for (int j = 0; j <= TILE; j += 8) tile[threadIdx.y + j][threadIdx.x] = x[r * n + c];  //@bad
    __syncthreads();
    //- race @write
    c = blockIdx.y * TILE + threadIdx.x, r = blockIdx.x * TILE + threadIdx.y;
    for (int j = 0; j < TILE; j += 8) y[(r + j) * n + c] = tile[threadIdx.x][threadIdx.y + j];  //@write
}
