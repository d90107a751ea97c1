// A block's size as a template's argument, loops unrolled.
// launch: sum<128><<<2, 128>>>(y[2], x[256])
template <int BLOCK>
__global__ void sum(float* y, const float* x) {
    __shared__ float s[BLOCK];
    //= array index @fill: __shared__ float s[BLOCK / 2];
    int t = threadIdx.x;
    s[t] = x[blockIdx.x * BLOCK + t];  //@fill
    __syncthreads();
    //- race @add
#pragma unroll
    for (int k = BLOCK / 2; k > 0; k /= 2) {
        if (t < k) s[t] += s[t + k];  //@add
        __syncthreads();
        //- race @add
    }
    if (t == 0) y[blockIdx.x] = s[0];
}
