// A thread's own array, handed to functions by pointer; bits of a mask; a product of shared numbers two by two.
// launch: polynomial<<<2, 32>>>(y[64], masks[64], x[64], 4)
__device__ void powers(float* p, float x, int n) {
    p[0] = 1;
    for (int i = 1; i < n; ++i) p[i] = x * p[i - 1];
}
__device__ void clear(float* p, int n) {
    for (float* end = p + n; p < end; ++p) *p = 0;
}
__global__ void polynomial(float* y, long long* masks, const float* x, int n) {
    __shared__ __align__(8) float pairs[32 + 2];
    __shared__ float ones[32];
    float own[4];
    int t = threadIdx.x, i = blockIdx.x * 32 + t;
    clear(own, 4);
    powers(own, x[i], n);
    masks[i] = 1ll << (t + 4);
    pairs[t] = own[0] + own[1] + own[2] + own[3];
    ones[t] = 1;
    if (t < 2) pairs[32 + t] = 0;
    __syncthreads();
    float2 both = *reinterpret_cast<float2*>(&pairs[t / 2 * 2]);
    float* one = ones;
    y[i] = both.x * both.y + one[t];
}
