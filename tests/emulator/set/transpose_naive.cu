// A transpose without shared memory.
// launch: transpose<<<(3, 2), (16, 16)>>>(y[40, 20], x[20, 40], 20, 40)
__global__ void transpose(float* y, const float* x, int rows, int columns) {
    int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    if (r < rows && c < columns) y[c * rows + r] = x[r * columns + c];  //@copy
    //= out of bounds @copy: if (r < rows || c < columns) y[c * rows + r] = x[r * columns + c];
    //= race @copy: if (r < rows && c < columns) y[c * rows / 2 + r] = x[r * columns + c];
    //= out of bounds @copy: if (r < columns && c < rows) y[c * columns + r] = x[r * columns + c];
    //= unwritten @none: if (r < rows - 1 && c < columns) y[c * rows + r] = x[r * columns + c];
}
