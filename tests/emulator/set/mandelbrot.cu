// A picture of the Mandelbrot set, a thread a pixel.
// launch: mandel<<<(3, 2), (16, 16)>>>(y[20, 40], 20, 40, 30)
__global__ void mandel(unsigned char* y, int rows, int columns, int most) {
    int c = blockIdx.x * blockDim.x + threadIdx.x, r = blockIdx.y * blockDim.y + threadIdx.y;
    if (c >= columns || r >= rows) return;
    //= out of bounds @store: if (c > columns || r >= rows + 1) return;
    float a = 0, b = 0, u = 3.0f * c / columns - 2, v = 2.0f * r / rows - 1;
    int i = 0;
    while (i < most && a * a + b * b < 4) {
        float next = a * a - b * b + u;
        b = 2 * a * b + v;
        a = next;
        ++i;
        //= endless loop @none: i = 0; a = 0; b = 0;
    }
    y[r * columns + c] = (unsigned char)(i * 255 / most);  //@store
    //= division by zero @store: y[r * columns + c] = (unsigned char)(i * 255 / (most - 30));
    //= out of bounds @store: y[r * rows * 4 + c] = (unsigned char)(i * 255 / most);
}
