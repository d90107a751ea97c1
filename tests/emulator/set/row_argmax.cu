// The place of the largest number of each row, by shuffles of pairs.
// launch: argmax<<<4, 32>>>(y[4], x[4, 50], 50)
__global__ void argmax(int* y, const float* x, int n) {
    const float* row = x + blockIdx.x * n;
    float best = -1e30f;
    int at = -1;
    for (int c = threadIdx.x; c < n; c += 32)
    //= out of bounds @read: for (int c = threadIdx.x; c < 64; c += 32)
        if (row[c] > best) best = row[c], at = c;  //@read
    for (int k = 16; k > 0; k /= 2) {
        float other = __shfl_down_sync(0xffffffffu, best, k);
        int where = __shfl_down_sync(0xffffffffu, at, k);
        if (other > best) best = other, at = where;
        //= divergent warp operation @late: if (other > best) best = other, at = __shfl_down_sync(0xffffffffu, at, k);  //@late
    }
    if (threadIdx.x == 0) y[blockIdx.x] = at;
    //= race @y: y[blockIdx.x] = at;  //@y
}
