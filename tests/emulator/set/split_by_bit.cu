// A stable split by one bit, as a radix sort does it: ranks by a scan in shared memory.
// launch: split<<<1, 64>>>(y[64], x[64], 1)
__global__ void split(int* y, const int* x, int bit) {
    __shared__ int s[64];
    int t = threadIdx.x, zero = !(x[t] >> bit & 1);
    s[t] = zero;
    __syncthreads();
    for (int k = 1; k < 64; k *= 2) {
        int before = t >= k ? s[t - k] : 0;
        __syncthreads();
        //- race @add
        s[t] += before;  //@add
        __syncthreads();
        //- race @add
    }
    int zeros = s[63];
    //= array index @z: int zeros = s[64];  //@z
    y[zero ? s[t] - 1 : zeros + t - s[t]] = x[t];  //@out
    //= race @out: y[zero ? s[t] - 1 : zeros + t - s[t] - 1] = x[t];
}
