// Softmax, a block a row: a maximum and a sum through the same shared array.
// launch: softmax<<<5, 32>>>(y[5, 70], x[5, 70], 70)
__global__ void softmax(float* y, const float* x, int n) {
    __shared__ float s[32];
    int t = threadIdx.x;
    const float* row = x + blockIdx.x * n;
    float top = -1e30f, sum = 0;
    for (int c = t; c < n; c += 32) top = fmaxf(top, row[c]);
    //= out of bounds @over: for (int c = t; c < n + 32; c += 32) top = fmaxf(top, row[c]);  //@over
    s[t] = top;
    __syncthreads();
    //- race @top
    for (int k = 0; k < 32; ++k) top = fmaxf(top, s[k]);  //@top
    __syncthreads();
    //- race @again
    for (int c = t; c < n; c += 32) sum += expf(row[c] - top);
    s[t] = sum;  //@again
    __syncthreads();
    //- race @sum
    sum = 0;
    for (int k = 0; k < 32; ++k) sum += s[k];  //@sum
    for (int c = t; c < n; c += 32) y[blockIdx.x * n + c] = expf(row[c] - top) / sum;
    //= unwritten @none: if (t < n) y[blockIdx.x * n + t] = expf(row[t] - top) / sum;
}
