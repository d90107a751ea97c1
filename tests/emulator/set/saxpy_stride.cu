// y = a x + y by a loop over the grid: any launch does.
// launch: saxpy<<<3, 64>>>(y[1000] = 1, x[1000], 2.0f, 1000)
__global__ void saxpy(float* y, const float* x, float a, int n) {
    int stride = gridDim.x * blockDim.x;
    //= race @y: int stride = blockDim.x;
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    //= race @y: int i = threadIdx.x;
    //= out of bounds @y: int i = blockIdx.x * blockDim.x + threadIdx.x - 1;
    for (; i < n; i += stride)
    //= out of bounds @y: for (; i < n + stride; i += stride)
        y[i] = a * x[i] + y[i];  //@y
}
