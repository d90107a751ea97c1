// The reduction that adds two numbers on the way in, so that no thread starts idle.
// launch: sum<<<2, 64>>>(y[2], x[200], 200)
__global__ void sum(float* y, const float* x, int n) {
    __shared__ float s[64];
    int t = threadIdx.x, i = blockIdx.x * 128 + t;
    float mine = i < n ? x[i] : 0;
    if (i + 64 < n) mine += x[i + 64];  //@second
    //= out of bounds @over: if (i < n) mine += x[i + 64];  //@over
    s[t] = mine;
    __syncthreads();
    for (int k = 32; k > 0; k /= 2) {
        if (t < k) s[t] += s[t + k];  //@add
        __syncthreads();
        //- race @add
        //= race @add: if (k > 16) __syncthreads();
    }
    if (t == 0) y[blockIdx.x] = s[0];
}
