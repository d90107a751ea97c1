// An optional bias.
// launch: add<<<1, 64>>>(y[64], x[64], null)
__global__ void add(float* y, const float* x, const float* bias) {
    int i = threadIdx.x;
    y[i] = x[i] + (bias ? bias[i] : 0);  //@y
    //= wild pointer @y: y[i] = x[i] + bias[i];
}
