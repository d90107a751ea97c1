// A row is good if all its numbers are: a vote of the warp.
// launch: good<<<3, 32>>>(y[3], x[3, 32])
__global__ void good(int* y, const float* x) {
    float v = x[blockIdx.x * 32 + threadIdx.x];
    int all = __all_sync(0xffffffffu, v > -1);
    //= divergent warp operation @v: int all = v > 0 ? __all_sync(0xffffffffu, 1) : __any_sync(0xffffffffu, 0);  //@v
    if (threadIdx.x == 0) y[blockIdx.x] = all;
    //= out of bounds @y: if (threadIdx.x == 31) y[blockIdx.x * 32] = all;  //@y
    //= race @same: y[0] = all + threadIdx.x;  //@same
}
