// What a request costs, by the multiprocessor's own clock, in one block: where a driver does not let ncu read its
// counters, this tells whether banks and sectors cost what the emulator says. 32 warps ask, so that one always has a
// request ready, and the cycles that pass are those of the requests. What is loaded is 0 and is added to the next
// address: so no load can be left out, or begin before the lane's last one has come.

constexpr int LOADS = 256;  // of each thread
constexpr int WORDS = 4096;

__device__ int all_of(int v) { return v; }
__device__ int all_of(int4 v) { return v.x + v.y + v.z + v.w; }

// In each warp, `share` neighbours want the same element, and the next ones that which lies `stride` further on.
template <typename V>
__global__ void shared_loads(long long* cycles, int* sum, int stride, int share) {
    __shared__ __align__(16) int words[WORDS];
    for (int i = threadIdx.x; i < WORDS; i += blockDim.x) words[i] = 0;
    __syncthreads();
    const V* elements = reinterpret_cast<const V*>(words);
    int at = int(threadIdx.x % 32) / share * stride;
    long long began = clock64();
    for (int k = 0; k < LOADS; ++k) at += all_of(elements[at]);
    __syncthreads();
    if (threadIdx.x == 0) *cycles = clock64() - began;
    sum[threadIdx.x] = at;
}

// Of global memory, past the multiprocessor's own cache.
__global__ void global_loads(long long* cycles, int* sum, const int* zeros, int stride) {
    int at = threadIdx.x * stride;
    at += __ldcg(zeros + at);
    __syncthreads();
    long long began = clock64();
    for (int k = 0; k < LOADS; ++k) at += __ldcg(zeros + at);
    __syncthreads();
    if (threadIdx.x == 0) *cycles = clock64() - began;
    sum[threadIdx.x] = at;
}
