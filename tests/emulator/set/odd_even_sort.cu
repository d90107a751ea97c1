// Odd-even transposition: neighbours change places, n times.
// launch: sort<<<1, 32>>>(x[64] = 5, 64)
__global__ void sort(int* x, int n) {
    int t = threadIdx.x;
    x[2 * t] = 2 * (n - t), x[2 * t + 1] = n - t;
    for (int pass = 0; pass < n; ++pass) {
        __syncthreads();
        //- race @swap
        int i = 2 * t + pass % 2;
        //= race @swap: int i = t + pass % 2;
        if (i + 1 < n && x[i] > x[i + 1]) {  //@test
        //= out of bounds @over: if (i < n && x[i] > x[i + 1]) {  //@over
            int a = x[i];
            x[i] = x[i + 1];  //@swap
            x[i + 1] = a;
        }
    }
}
