// A 3 by 3 filter: a tile of 10 by 10 for a block of 8 by 8.
// launch: conv<<<(3, 3), (8, 8)>>>(y[20, 20], x[20, 20], w[9], 20)
__global__ void conv(float* y, const float* x, const float* w, int n) {
    __shared__ float tile[10][10];
    //= array index @fill: __shared__ float tile[8][10];
    int c0 = blockIdx.x * 8 - 1, r0 = blockIdx.y * 8 - 1;
    for (int i = threadIdx.y * 8 + threadIdx.x; i < 100; i += 64) {
    //= uninitialised @use: for (int i = threadIdx.y * 8 + threadIdx.x; i < 64; i += 64) {
        int r = r0 + i / 10, c = c0 + i % 10;
        bool inside = r >= 0 && r < n && c >= 0 && c < n;
        //= out of bounds @fill: bool inside = r < n && c >= 0 && c < n;
        tile[i / 10][i % 10] = inside ? x[r * n + c] : 0;  //@fill
        //= out of bounds @fill: tile[i / 10][i % 10] = x[r * n + c];
    }
    __syncthreads();
    //- race @use
    int c = blockIdx.x * 8 + threadIdx.x, r = blockIdx.y * 8 + threadIdx.y;
    if (r >= n || c >= n) return;
    float sum = 0;
    for (int i = 0; i < 9; ++i) sum += w[i] * tile[threadIdx.y + i / 3][threadIdx.x + i % 3];  //@use
    y[r * n + c] = sum;
}
