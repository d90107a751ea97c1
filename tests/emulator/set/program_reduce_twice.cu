// A sum by two launches of one kernel, checked by macros as people write them.
#include <cstdio>
#include <cstdlib>
#define CHECK(call)                                                                      \
    do {                                                                                 \
        cudaError_t error = call;                                                        \
        if (error != cudaSuccess) {                                                      \
            printf("%s:%d: %s\n", __FILE__, __LINE__, cudaGetErrorString(error));        \
            exit(1);                                                                     \
        }                                                                                \
    } while (0)
__global__ void reduce(float* y, const float* x, int n) {
    extern __shared__ float s[];
    int t = threadIdx.x, i = blockIdx.x * blockDim.x + t;
    s[t] = i < n ? x[i] : 0;  //@fill
    //= out of bounds @fill: s[t] = x[i];
    __syncthreads();
    //- race @add
    for (int k = blockDim.x / 2; k > 0; k /= 2) {
        if (t < k) s[t] += s[t + k];  //@add
        __syncthreads();
        //- race @add
    }
    if (t == 0) y[blockIdx.x] = s[0];
}
int main() {
    const int n = 5000, block = 128, blocks = (n + block - 1) / block;
    float *x, *part, *sum, host[n], result;
    for (int i = 0; i < n; ++i) host[i] = 1;
    CHECK(cudaMalloc(&x, n * sizeof(float)));
    CHECK(cudaMalloc(&part, blocks * sizeof(float)));
    CHECK(cudaMalloc(&sum, sizeof(float)));
    CHECK(cudaMemcpy(x, host, sizeof(host), cudaMemcpyHostToDevice));
    reduce<<<blocks, block, block * sizeof(float)>>>(part, x, n);
    //= out of bounds @fill: reduce<<<blocks, block>>>(part, x, n);
    CHECK(cudaGetLastError());
    reduce<<<1, block, block * sizeof(float)>>>(sum, part, blocks);
    //= cudaErrorInvalidConfiguration @big: reduce<<<1, 2 * n, block * sizeof(float)>>>(sum, part, blocks);  //@big
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(&result, sum, sizeof(float), cudaMemcpyDeviceToHost));
    printf("%g\n", result);
    CHECK(cudaFree(x));
    CHECK(cudaFree(part));
    CHECK(cudaFree(sum));
    //= never freed @none: ;
    return result == n ? 0 : 2;
}
