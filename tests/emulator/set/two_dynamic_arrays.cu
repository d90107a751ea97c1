// Two arrays in one piece of dynamic shared memory, the second behind the first.
// launch: two<<<2, 32, 256>>>(y[64], x[64], 32)
//= out of bounds @b: // launch: two<<<2, 32, 192>>>(y[64], x[64], 32)
extern __shared__ float both[];
__global__ void two(float* y, const float* x, int n) {
    float* a = both;
    float* b = both + n;
    //= race @b: float* b = both + 1;
    int t = threadIdx.x, i = blockIdx.x * n + t;
    a[t] = x[i];  //@a
    b[t] = 2 * x[i];  //@b
    __syncthreads();
    //- race @use
    y[i] = a[n - 1 - t] + b[(t + 1) % n];  //@use
    //= out of bounds @use: y[i] = a[n - 1 - t] + b[t + 1];
}
