// An array turned round in shared memory of a fixed size.
// launch: reverse<<<1, 64>>>(d[64] = 3, 64)
__global__ void reverse(int* d, int n) {
    __shared__ int s[64];
    //= array index @store: __shared__ int s[63];
    int t = threadIdx.x;
    s[t] = d[t];  //@store
    __syncthreads();
    //- race @read
    //= race @read: __syncwarp();
    d[t] = s[n - 1 - t];  //@read
}
