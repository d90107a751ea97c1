// A step of all shortest ways: row and column k do not change in step k.
// launch: step<<<(2, 2), (16, 16)>>>(d[32, 32] = 2, 32, 5)
__global__ void step(float* d, int n, int k) {
    int j = blockIdx.x * 16 + threadIdx.x, i = blockIdx.y * 16 + threadIdx.y;
    float way = d[i * n + k] + d[k * n + j];  //@min
    if (way < d[i * n + j]) d[i * n + j] = way;
    //= race @min: d[i * n + j] = fminf(way, d[i * n + j]); d[i * n + k] = 0;
}
