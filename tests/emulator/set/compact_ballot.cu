// The same with one atomic a warp: ballot, count, broadcast.
// launch: keep<<<2, 64>>>(y[128] = 0, count[1] = 0, x[128])
__global__ void keep(float* y, int* count, const float* x) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, lane = threadIdx.x % 32;
    bool wanted = x[i] > 0;
    unsigned votes = __ballot_sync(0xffffffffu, wanted);
    int first = 0;
    if (lane == 0) first = atomicAdd(count, __popc(votes));
    //= race @plain: if (lane == 0) { first = *count; *count += __popc(votes); }  //@plain
    first = __shfl_sync(0xffffffffu, first, 0);
    //= shuffle from an absent lane @s: if (wanted) first = __shfl_sync(0xffffffffu, first, 0);  //@s
    if (wanted) y[first + __popc(votes & ((1u << lane) - 1))] = x[i];
    //= race @place: if (wanted) y[first + __popc(votes & 1u)] = x[i];  //@place
}
