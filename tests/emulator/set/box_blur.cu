// A blur that averages what lies within the picture.
// launch: blur<<<(2, 2), (16, 16)>>>(y[25, 30], x[25, 30], 25, 30, 2)
__global__ void blur(float* y, const float* x, int rows, int columns, int radius) {
    int c = blockIdx.x * 16 + threadIdx.x, r = blockIdx.y * 16 + threadIdx.y;
    if (c >= columns || r >= rows) return;
    float sum = 0;
    int count = 0;
    for (int dr = -radius; dr <= radius; ++dr)
        for (int dc = -radius; dc <= radius; ++dc)
            if (r + dr >= 0 && r + dr < rows && c + dc >= 0 && c + dc < columns)
            //= out of bounds @sum: if (r + dr >= 0 && c + dc >= 0 && c + dc < columns)
            //= out of bounds @sum: if (r + dr > -2 && r + dr < rows && c + dc >= 0 && c + dc < columns)
                sum += x[(r + dr) * columns + c + dc], ++count;  //@sum
    y[r * columns + c] = sum / count;
}
