// The upper triangle of a table as a list: index arithmetic.
// launch: pack<<<(2, 2), (8, 8)>>>(y[136], x[16, 16], 16)
__global__ void pack(float* y, const float* x, int n) {
    int c = blockIdx.x * 8 + threadIdx.x, r = blockIdx.y * 8 + threadIdx.y;
    if (c < r) return;
    //- race @y
    y[r * n - r * (r - 1) / 2 + c - r] = x[r * n + c];  //@y
    //= out of bounds @y: y[r * n + c - r] = x[r * n + c];
    //= race @y: y[r * n - r * (r + 1) / 2 + c - r] = x[r * n + c];
}
