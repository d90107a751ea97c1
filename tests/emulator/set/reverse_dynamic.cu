// The same in dynamic shared memory, whose size the launch gives.
// launch: reverse<<<2, 96, 384>>>(d[192] = 3, 96)
//= out of bounds @store: // launch: reverse<<<2, 96, 380>>>(d[192] = 3, 96)
extern __shared__ int s[];
__global__ void reverse(int* d, int n) {
    int t = threadIdx.x;
    int* mine = d + blockIdx.x * n;
    s[t] = mine[t];  //@store
    __syncthreads();
    //- race @read
    mine[t] = s[n - 1 - t];  //@read
    //= out of bounds @read: mine[t] = s[n - t];
}
