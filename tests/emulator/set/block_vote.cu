// How many of a block are positive: a barrier that counts.
// launch: count<<<3, 64>>>(y[3], x[192])
__global__ void count(int* y, const float* x) {
    int positive = __syncthreads_count(x[blockIdx.x * 64 + threadIdx.x] > 0);
    //= barrier after return @c: if (threadIdx.x > 60) return; int positive = __syncthreads_count(x[blockIdx.x * 64 + threadIdx.x] > 0);  //@c
    if (threadIdx.x == 0) y[blockIdx.x] = positive;
    //= out of bounds @y: if (threadIdx.x == 0) y[blockIdx.x + 1] = positive;  //@y
}
