// The same scan in one buffer: read, wait, write, wait.
// launch: scan<<<1, 128>>>(y[128], x[128])
__global__ void scan(int* y, const int* x) {
    __shared__ int s[128];
    int t = threadIdx.x;
    s[t] = x[t];
    __syncthreads();
    for (int k = 1; k < 128; k *= 2) {
        int before = t >= k ? s[t - k] : 0;  //@read
        //= array index @neg: int before = s[t - k];  //@neg
        __syncthreads();
        //- race @write
        s[t] += before;  //@write
        __syncthreads();
        //- race @write
    }
    y[t] = s[t];
}
