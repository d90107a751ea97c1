// RMSNorm: one thread makes the scale, all others wait for it.
// launch: rmsnorm<<<4, 64>>>(y[4, 64], x[4, 64], w[64])
__global__ void rmsnorm(float* y, const float* x, const float* w) {
    __shared__ float squares[64], scale;
    int t = threadIdx.x, i = blockIdx.x * 64 + t;
    squares[t] = x[i] * x[i];
    __syncthreads();
    //- race @sum
    if (t == 0) {
        float sum = 0;
        for (int k = 0; k < 64; ++k) sum += squares[k];  //@sum
        //= array index @sum: for (int k = 0; k <= 64; ++k) sum += squares[k];
        scale = rsqrtf(sum / 64 + 1e-6f);
        //= uninitialised @use: if (sum < 0) scale = 1;
    }
    __syncthreads();
    //- race @use
    y[i] = x[i] * scale * w[t];  //@use
    //= out of bounds @w: y[i] = x[i] * scale * w[i];  //@w
}
