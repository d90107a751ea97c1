// The tree whose barrier stood in the branch: on a GPU of before 2017 it hung.
// launch: tree<<<2, 64>>>(y[2], x[128])
__global__ void tree(float* y, const float* x) {
    __shared__ float s[64];
    int t = threadIdx.x;
    s[t] = x[blockIdx.x * 64 + t];
    __syncthreads();
    for (int i = 32; i > 0; i /= 2) {
        if (t < i) s[t] += s[t + i];
        __syncthreads();  //@sync
        //= barrier after return @b: if (t < i) { s[t] += s[t + i]; __syncthreads(); }  //@b
    }
    if (t == 0) y[blockIdx.x] = s[0];
}
