// A convolution with its mask in constant memory, and nothing beyond either end.
// launch: conv<<<4, 64>>>(y[200], x[200], 200)
#define R 2
__constant__ float mask[2 * R + 1] = {0.1f, 0.2f, 0.4f, 0.2f, 0.1f};
__global__ void conv(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    //- out of bounds @y
    float sum = 0;
    for (int k = -R; k <= R; ++k)
        if (i + k >= 0 && i + k < n) sum += mask[k + R] * x[i + k];  //@sum
        //= out of bounds @sum: if (i + k < n) sum += mask[k + R] * x[i + k];
        //= out of bounds @sum: if (i + k >= 0) sum += mask[k + R] * x[i + k];
        //= array index @sum: if (i + k >= 0 && i + k < n) sum += mask[k + 2 * R] * x[i + k];
    y[i] = sum;  //@y
}
