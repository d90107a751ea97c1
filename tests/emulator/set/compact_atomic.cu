// Keep what is positive: a place for each by an atomic counter.
// launch: keep<<<2, 64>>>(y[100] = 0, count[1] = 0, x[100], 100)
__global__ void keep(float* y, int* count, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n && x[i] > 0) y[atomicAdd(count, 1)] = x[i];
    //= race @plain: if (i < n && x[i] > 0) y[(*count)++] = x[i];  //@plain
    //= race @same: if (i < n && x[i] > 0) { atomicAdd(count, 1); y[*count] = x[i]; }  //@same
    //= out of bounds @n: if (x[i] > 0 && i < n) y[atomicAdd(count, 1)] = x[i];  //@n
}
