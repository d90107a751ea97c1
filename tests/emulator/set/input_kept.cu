// An input is read, not written.
// launch: scale<<<1, 64>>>(y[64], x[64], 2.0f)
__global__ void scale(float* y, const float* x, float s) {
    int i = threadIdx.x;
    y[i] = s * x[i];  //@y
    //= read-only @y: y[i] = (const_cast<float*>(x)[i] *= s);
    //= uninitialised @y: y[i] *= s * x[i];
}
