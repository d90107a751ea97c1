// The embedding's gradient: words that come twice meet in one row.
// launch: scatter<<<12, 32>>>(g[10, 40] = 0, dy[12, 40], words[12], 40)
__global__ void scatter(float* g, const float* dy, const int* words, int width) {
    int word = words[blockIdx.x];
    for (int c = threadIdx.x; c < width; c += blockDim.x)
        atomicAdd(&g[word * width + c], dy[blockIdx.x * width + c]);  //@add
        //= race @add: g[word * width + c] += dy[blockIdx.x * width + c];
        //= out of bounds @add: atomicAdd(&g[(word + 1) * width + c], dy[blockIdx.x * width + c]);
}
