// A flag of another warp's: without a barrier it may stand still for ever.
// launch: flag<<<1, 64>>>(y[64], x[64])
__global__ void flag(float* y, const float* x) {
    __shared__ float box;
    if (threadIdx.x == 0) box = x[0];
    //= race @box: if (threadIdx.x < 2) box = x[threadIdx.x];  //@box
    __syncthreads();
    //- race @read
    y[threadIdx.x] = box;  //@read
}
