// The unrolled last warp, with a volatile pointer as it was, and with the barriers that it needs today.
// launch: sum<<<1, 64>>>(y[1], x[64])
__global__ void sum(float* y, const float* x) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    if (t < 32) {
        volatile float* v = s;
        float mine = v[t];
        for (int k = 32; k > 0; k /= 2) {
            mine += v[t + k];  //@read
            __syncwarp();
            //- race @write
            v[t] = mine;  //@write
            __syncwarp();
            //- race @write
        }
        if (t == 0) y[0] = mine;
    }
}
