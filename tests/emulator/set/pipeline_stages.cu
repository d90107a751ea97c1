// A thread copies ahead of itself, two stages deep: cuda::pipeline and memcpy_async.
// launch: scale<<<2, 64>>>(y[1024], x[1024], 8)
#include <cuda/pipeline>
__global__ void scale(float* y, const float* x, int rounds) {
    __shared__ float stage[2][64];
    cuda::pipeline<cuda::thread_scope_thread> pipe = cuda::make_pipeline();
    const float* from = x + blockIdx.x * rounds * 64 + threadIdx.x;
    for (int k = 0; k < 2; ++k) {
        pipe.producer_acquire();
        cuda::memcpy_async(&stage[k][threadIdx.x], from + k * 64, sizeof(float), pipe);
        pipe.producer_commit();
    }
    for (int k = 0; k < rounds; ++k) {
        pipe.consumer_wait();
        //- uninitialised @use
        float v = stage[k % 2][threadIdx.x];  //@use
        //= race @other: float v = stage[k % 2][63 - threadIdx.x];  //@other
        pipe.consumer_release();
        y[(blockIdx.x * rounds + k) * 64 + threadIdx.x] = 2 * v;
        pipe.producer_acquire();
        if (k + 2 < rounds) cuda::memcpy_async(&stage[k % 2][threadIdx.x], from + (k + 2) * 64, sizeof(float), pipe);  //@copy
        //= out of bounds @copy: cuda::memcpy_async(&stage[k % 2][threadIdx.x], from + (k + 2) * 64, sizeof(float), pipe);
        pipe.producer_commit();
    }
}
