// y = s x, 16 bytes at a time, the tail one by one.
// launch: scale<<<2, 64>>>(y[330], x[330], 330, 0.5)
__global__ void scale(float* y, const float* x, int n, float s) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n / 4) {
        float4 v = reinterpret_cast<const float4*>(x)[i];
        reinterpret_cast<float4*>(y)[i] = make_float4(s * v.x, s * v.y, s * v.z, s * v.w);
    }
    if (i < n % 4) y[n / 4 * 4 + i] = s * x[n / 4 * 4 + i];
}
