// A barrier for some of the threads is a barrier for none.
// launch: sides<<<1, 64>>>(y[64], x[64])
__global__ void sides(float* y, const float* x) {
    __shared__ float s[64];
    int t = threadIdx.x;
    if (t < 32) s[t] = x[t];
    else s[t] = 2 * x[t];
    __syncthreads();  //@b
    //= divergent barrier @b: if (t < 32) __syncthreads(); else __syncthreads();
    //- race @read
    y[t] = s[63 - t];  //@read
}
