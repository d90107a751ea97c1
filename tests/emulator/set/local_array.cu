// A small array of each thread's own.
// launch: top<<<1, 32>>>(y[32, 4], x[32, 20], 20)
__global__ void top(float* y, const float* x, int n) {
    float best[4] = {-1e30f, -1e30f, -1e30f, -1e30f};
    for (int c = 0; c < n; ++c) {
        float v = x[threadIdx.x * n + c];  //@read
        //= out of bounds @read: float v = x[threadIdx.x * n + c + n];
        for (int k = 0; k < 4; ++k)
        //= array index @swap: for (int k = 0; k <= 4; ++k)
            if (v > best[k]) {  //@swap
                float other = best[k];
                best[k] = v;
                v = other;
            }
    }
    for (int k = 0; k < 4; ++k) y[threadIdx.x * 4 + k] = best[k];
    //= unwritten @none: for (int k = 0; k < 3; ++k) y[threadIdx.x * 4 + k] = best[k];
}
