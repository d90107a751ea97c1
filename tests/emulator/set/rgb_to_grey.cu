// A picture of bytes, three a pixel, to one.
// launch: grey<<<(2, 3), (16, 8)>>>(y[20, 30], x[20, 30, 3], 20, 30)
__global__ void grey(unsigned char* y, const unsigned char* x, int rows, int columns) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= columns || r >= rows) return;
    //= out of bounds @grey: if (c >= columns && r >= rows) return;
    //- out of bounds @grey
    int i = r * columns + c;
    //= out of bounds @grey: int i = c * rows * 2 + r;
    y[i] = (unsigned char)(0.21f * x[3 * i] + 0.72f * x[3 * i + 1] + 0.07f * x[3 * i + 2]);  //@grey
    //= out of bounds @grey: y[i] = (unsigned char)(0.21f * x[3 * i] + 0.72f * x[3 * i + 2] + 0.07f * x[3 * i + 3]);
}
