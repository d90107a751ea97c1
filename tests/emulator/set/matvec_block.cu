// A matrix times a vector: a block a row, a tree in shared memory.
// launch: matvec<<<20, 64>>>(y[20], a[20, 100], x[100], 100)
__global__ void matvec(float* y, const float* a, const float* x, int n) {
    __shared__ float part[64];
    int t = threadIdx.x;
    float sum = 0;
    for (int c = t; c < n; c += 64) sum += a[blockIdx.x * n + c] * x[c];
    part[t] = sum;
    //- uninitialised @add
    for (int half = 32; half > 0; half /= 2) {
        __syncthreads();
        //- race @add
        if (t < half) part[t] += part[t + half];  //@add
        //= array index @far: if (t <= half) part[t] += part[t + 2 * half];  //@far
    }
    if (t == 0) y[blockIdx.x] = part[0];
    //= race @all: y[blockIdx.x] = part[0];  //@all
}
