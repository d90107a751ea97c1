// An inclusive scan in log n steps (Hillis and Steele), with two buffers.
// launch: scan<<<2, 64>>>(y[128], x[128])
__global__ void scan(int* y, const int* x) {
    __shared__ int s[2][64];
    int t = threadIdx.x, i = blockIdx.x * 64 + t, now = 0;
    s[0][t] = x[i];
    __syncthreads();
    //- race @step
    for (int k = 1; k < 64; k *= 2) {
        s[1 - now][t] = s[now][t] + (t >= k ? s[now][t - k] : 0);  //@step
        now = 1 - now;
        __syncthreads();
        //- race @step
    }
    y[i] = s[now][t];
}
