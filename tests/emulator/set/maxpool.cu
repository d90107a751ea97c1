// Max pooling, 2 by 2, of a picture whose sides are odd.
// launch: pool<<<(1, 1), (16, 16)>>>(y[8, 10], x[17, 21], 17, 21)
__global__ void pool(float* y, const float* x, int rows, int columns) {
    int r = threadIdx.y, c = threadIdx.x, width = columns / 2;
    //= unwritten @none: int r = threadIdx.y, c = threadIdx.x, width = columns / 2 - 1;
    if (r >= rows / 2 || c >= width) return;
    //= out of bounds @read: if (r > rows / 2 || c >= width) return;
    const float* at = x + 2 * r * columns + 2 * c;
    float top = fmaxf(fmaxf(at[0], at[1]), fmaxf(at[columns], at[columns + 1]));  //@read
    //= out of bounds @read: float top = fmaxf(fmaxf(at[0], at[1]), fmaxf(at[columns], at[3 * columns + 1]));
    y[r * width + c] = top;  //@y
}
