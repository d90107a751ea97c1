// Threads beyond the end must still come to the barrier.
// launch: shift<<<2, 64>>>(y[100], x[100], 100)
__global__ void shift(float* y, const float* x, int n) {
    __shared__ float s[64];
    int t = threadIdx.x, i = blockIdx.x * 64 + t;
    s[t] = i < n ? x[i] : 0;
    //= barrier after return @b: if (i >= n) return; s[t] = x[i];
    __syncthreads();  //@b
    if (i < n) y[i] = s[t ^ 1];
    //= out of bounds @y: y[i] = s[t ^ 1];  //@y
}
