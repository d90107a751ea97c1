// A bitonic sort of a block's numbers.
// launch: sort<<<2, 64>>>(x[128] = 1)
__global__ void sort(int* x) {
    __shared__ int s[64];
    int t = threadIdx.x;
    s[t] = (x[blockIdx.x * 64 + t] * 37 + t * 11) % 64;
    for (int k = 2; k <= 64; k *= 2)
        for (int j = k / 2; j > 0; j /= 2) {
            __syncthreads();
            //- race @swap
            int other = t ^ j;
            //= array index @read: int other = t + j;
            if (other > t && (s[t] > s[other]) == ((t & k) == 0)) {  //@read
                int a = s[t];
                s[t] = s[other];  //@swap
                s[other] = a;
            }
        }
    __syncthreads();
    //- race @out
    x[blockIdx.x * 64 + t] = s[t];  //@out
    //= out of bounds @far: x[blockIdx.x * 64 + t + 1] = s[t];  //@far
}
