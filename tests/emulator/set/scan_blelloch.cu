// An exclusive scan, up the tree and down again (Blelloch).
// launch: scan<<<2, 32>>>(y[128], x[128])
#define N 64
__global__ void scan(float* y, const float* x) {
    __shared__ float s[N];
    int t = threadIdx.x, at = blockIdx.x * N;
    s[2 * t] = x[at + 2 * t];
    s[2 * t + 1] = x[at + 2 * t + 1];
    int offset = 1;
    for (int d = N / 2; d > 0; d /= 2) {
        __syncthreads();
        //- race @up
        if (t < d) s[offset * (2 * t + 2) - 1] += s[offset * (2 * t + 1) - 1];  //@up
        //= array index @up2: if (t <= d) s[offset * (2 * t + 2) - 1] += s[offset * (2 * t + 1) - 1];  //@up2
        offset *= 2;
    }
    if (t == 0) s[N - 1] = 0;
    for (int d = 1; d < N; d *= 2) {
        offset /= 2;
        __syncthreads();
        //- race @down
        if (t < d) {
            int a = offset * (2 * t + 1) - 1, b = offset * (2 * t + 2) - 1;
            float left = s[a];  //@down
            s[a] = s[b];
            s[b] += left;
        }
    }
    __syncthreads();
    y[at + 2 * t] = s[2 * t];
    y[at + 2 * t + 1] = s[2 * t + 1];
}
