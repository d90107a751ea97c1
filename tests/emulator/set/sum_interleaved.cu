// The first reduction of the slides: neighbours, then neighbours of neighbours.
// launch: sum<<<3, 64>>>(y[3], x[192])
__global__ void sum(int* y, const int* x) {
    __shared__ int s[64];
    unsigned t = threadIdx.x;
    s[t] = x[blockIdx.x * blockDim.x + t];
    __syncthreads();
    //- race @add
    for (unsigned k = 1; k < blockDim.x; k *= 2) {
    //= array index @add: for (unsigned k = 1; k <= blockDim.x; k *= 2) {
        if (t % (2 * k) == 0) s[t] += s[t + k];  //@add
        //= race @every: if (t + k < 64) s[t] += s[t + k];  //@every
        __syncthreads();
        //- race @add
    }
    if (t == 0) y[blockIdx.x] = s[0];
}
