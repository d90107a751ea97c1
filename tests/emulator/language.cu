// What CUDA C++ has, a kernel for each piece of it; test_run.py compares what they do with NumPy.
template <typename T>
__global__ void add(T* y, const T* __restrict__ x, int n, T a) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = x[i] + a;
}

extern "C" __global__ void __launch_bounds__(1024) indices(int* out) {
    int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = block * 1000 + thread;
}

// A tree in dynamic shared memory; the first value goes through static shared memory.
__global__ void tree_sum(float* out, const float* x, int n) {
    extern __shared__ __align__(16) float tile[];
    __shared__ float first[1];
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    tile[threadIdx.x] = i < n ? x[i] : 0.0f;
    for (int half = 512; half > 0; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half && threadIdx.x + half < blockDim.x) tile[threadIdx.x] += tile[threadIdx.x + half];
    }
    if (threadIdx.x == 0) first[0] = tile[0];
    __syncthreads();
    if (threadIdx.x == blockDim.x - 1) out[blockIdx.x] = first[0];
}

template <int SIZE>
__global__ void transpose(float* out, const float* in, int rows, int columns) {
    __shared__ float tile[SIZE][SIZE + 1];
    int row = blockIdx.y * SIZE + threadIdx.y, column = blockIdx.x * SIZE + threadIdx.x;
    if (row < rows && column < columns) tile[threadIdx.y][threadIdx.x] = in[row * columns + column];
    __syncthreads();
    row = blockIdx.x * SIZE + threadIdx.y, column = blockIdx.y * SIZE + threadIdx.x;
    if (row < columns && column < rows) out[row * rows + column] = tile[threadIdx.x][threadIdx.y];
}

__global__ void fresh_shared(float* out) {
    extern __shared__ float other_name[];
    __shared__ float fixed[32];
    out[blockIdx.x * 64 + threadIdx.x] = other_name[threadIdx.x];
    out[blockIdx.x * 64 + 32 + threadIdx.x] = fixed[threadIdx.x];
    other_name[threadIdx.x] = fixed[threadIdx.x] = 1.0f;
}

__global__ void block_votes(int* out, const int* p) {
    int yes = p[threadIdx.x];
    out[threadIdx.x] = __syncthreads_count(yes) * 100 + __syncthreads_and(yes) * 10 + __syncthreads_or(yes);
}

template <typename T>
__global__ void shuffles(T* out, const T* in, int width) {
    const unsigned all = 0xffffffffu;
    int i = threadIdx.x;
    out[i] = __shfl_sync(all, in[i], 5, width);
    out[32 + i] = __shfl_xor_sync(all, in[i], 3, width);
    out[64 + i] = __shfl_up_sync(all, in[i], 2, width);
    out[96 + i] = __shfl_down_sync(all, in[i], 7, width);
}

__global__ void part_of_a_warp(int* out) {
    int lane = threadIdx.x;
    if (lane < 16) {
        out[lane] = __shfl_xor_sync(0x0000ffffu, lane, 1);
    } else {
        out[lane] = __shfl_xor_sync(0xffff0000u, lane, 2);
        out[lane] += __shfl_sync(0xffff0000u, 100, 16);
    }
}

__global__ void warp_votes(unsigned* out, const int* p) {
    const unsigned all = 0xffffffffu;
    int i = threadIdx.x;
    out[i] = __ballot_sync(all, p[i]);
    out[blockDim.x + i] = __any_sync(all, p[i]) + 2 * __all_sync(all, p[i]) + 4 * __all_sync(all, 1);
    out[2 * blockDim.x + i] = __match_any_sync(all, p[i]);
    out[3 * blockDim.x + i] = __activemask();
}

// Lanes that talk through shared memory; those of the last warp may be fewer.
__global__ void neighbours(int* out, int n) {
    __shared__ int told[128];
    if (threadIdx.x >= n) return;
    told[threadIdx.x] = threadIdx.x * threadIdx.x;
    __syncwarp();
    int other = threadIdx.x ^ 1;
    out[threadIdx.x] = other < n ? told[other] : -1;
}

__global__ void atomics(int* counts, unsigned* wheel, float* sum, double* precise, unsigned long long* large) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    atomicAdd(&counts[0], i);
    atomicMax(&counts[1], i);
    atomicMin(&counts[2], i);
    atomicOr(&counts[3], 1 << (i % 4));
    atomicAnd(&counts[4], ~(1 << (i % 3)));
    atomicSub(&counts[5], 1);
    int seen, old = counts[6];
    do seen = old, old = atomicCAS(&counts[6], seen, seen + 2);
    while (old != seen);
    atomicExch(&counts[7], 7);
    atomicInc(&wheel[0], 4);
    atomicAdd(sum, 0.5f);
    atomicAdd(precise, 0.25);
    atomicAdd(large, 1ull << 32);
}

struct __align__(16) Vec {
    float at[4];
};

__global__ void vectors(float4* out, const float4* in, Vec* vec, float2 shift, int n) {
    int i = threadIdx.x;
    if (i >= n) return;
    float4 v = __ldg(in + i);
    out[i] = make_float4(v.w + shift.x, v.z + shift.y, v.y, v.x);
    Vec all = vec[i];
#pragma unroll
    for (int k = 0; k < 4; ++k) all.at[k] *= 2;
    vec[i] = all;
    static_assert(sizeof(double2) == 16 && alignof(float4) == 16 && sizeof(float3) == 12 && alignof(int2) == 8, "");
}

template <typename T>
__global__ void mathematics(T* out, const T* x, int n) {
    int i = threadIdx.x;
    const T results[] = {
        exp(x[i]),        log(x[i]),       sqrt(x[i]),      rsqrt(x[i]), erf(x[i]),   tanh(x[i]), fma(x[i], x[i], T(1)),
        fmax(x[i], T(1)), min(x[i], T(1)), pow(x[i], T(3)), fabs(-x[i]), floor(x[i]), sin(x[i])};
    for (int k = 0; k < 13; ++k) out[k * n + i] = results[k];
}

__global__ void intrinsics(float* out, float x, int k) {
    out[0] = expf(x) - __expf(x) + logf(x) - __logf(x);
    out[1] = __int_as_float(__float_as_int(x));
    out[2] = __fdividef(x, 2.0f) + fmaf(x, 2.0f, 1.0f) + rsqrtf(4.0f);
    out[3] = __popc(k) + 100 * __clz(k) + 10000 * __ffs(k);
    out[4] = isnan(x) + isinf(x) + warpSize + max(k, 3) + min(k, 1000u) + abs(-k);
    out[5] = -__int_as_float(0x7f800000);
}

__constant__ float weights[3] = {1.0f, 2.0f, 4.0f};
__device__ int calls = 0;
__device__ __forceinline__ float weighted(const float* x) {
    return weights[0] * x[0] + weights[1] * x[1] + weights[2] * x[2];
}
__device__ __noinline__ int factorial(int n) { return n < 2 ? 1 : n * factorial(n - 1); }

__global__ void functions(float* out, const float* x, bool flag, unsigned char small, long long large) {
    out[0] = weighted(x);
    out[1] = factorial(5);
    out[2] = flag ? small : -1;
    out[3] = large >> 32;
    out[4] = ++calls;
    printf("flag %d, large %lld\n", flag, large);
}

__global__ void nothing() {}
namespace inner {
template <int A, typename T>
__global__ void named(T* out) {
    out[0] = A;
}
}  // namespace inner
