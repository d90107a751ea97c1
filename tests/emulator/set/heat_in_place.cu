// Heat along a rod, in place: everyone reads before anyone writes.
// launch: rod<<<1, 128>>>(u[128] = 2, 10)
__global__ void rod(float* u, int steps) {
    int i = threadIdx.x;
    for (int s = 0; s < steps; ++s) {
        float left = i > 0 ? u[i - 1] : 0, right = i < 127 ? u[i + 1] : 0;  //@read
        float mine = u[i];
        __syncthreads();
        //- race @write
        u[i] = mine + 0.1f * (left + right - 2 * mine);  //@write
        __syncthreads();
        //- race @write
    }
}
