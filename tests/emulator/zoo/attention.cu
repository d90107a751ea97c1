// Attention with an online softmax: a warp a query, a tile of 32 keys and values in shared memory.
// launch: attention<<<20, 64, 8704>>>(out[40, 32], q[40, 32], k[40, 32], v[40, 32], 40, 0.17)
constexpr int D = 32, KEYS = 32, STRIDE = D + 1;
extern __shared__ float tiles[];

__global__ void attention(float* out, const float* q, const float* k, const float* v, int n, float scale) {
    float* keys = tiles;
    float* values = keys + KEYS * STRIDE;
    float* queries = values + KEYS * STRIDE;
    int warp = threadIdx.x / 32, lane = threadIdx.x % 32, row = blockIdx.x * 2 + warp;
    queries[warp * D + lane] = row < n ? q[row * D + lane] * scale : 0;
    float largest = -3e38f, sum = 0, mixed = 0;
    for (int first = 0; first < n; first += KEYS) {
        __syncthreads();  // everyone has finished with the tile before
        for (int i = threadIdx.x; i < KEYS * D; i += blockDim.x) {
            bool inside = first + i / D < n;
            keys[i / D * STRIDE + i % D] = inside ? k[first * D + i] : 0;
            values[i / D * STRIDE + i % D] = inside ? v[first * D + i] : 0;
        }
        __syncthreads();
        float score = 0;
        for (int d = 0; d < D; ++d) score += queries[warp * D + d] * keys[lane * STRIDE + d];
        if (first + lane >= n) score = -3e38f;
        float highest = fmaxf(largest, score);
        for (int bit = 16; bit > 0; bit /= 2) highest = fmaxf(highest, __shfl_xor_sync(0xffffffffu, highest, bit));
        float p = first + lane < n ? expf(score - highest) : 0, shrink = expf(largest - highest), all = p;
        for (int bit = 16; bit > 0; bit /= 2) all += __shfl_xor_sync(0xffffffffu, all, bit);
        sum = sum * shrink + all;
        mixed *= shrink;
        largest = highest;
        for (int j = 0; j < KEYS; ++j) mixed += __shfl_sync(0xffffffffu, p, j) * values[j * STRIDE + lane];
    }
    if (row < n) out[row * D + lane] = mixed / sum;
}
