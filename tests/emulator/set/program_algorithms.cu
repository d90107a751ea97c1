// RAII, exceptions, chrono, algorithms: as C++ people write programs.
#include <algorithm>
#include <chrono>
#include <cuda_runtime.h>
#include <iomanip>
#include <iostream>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>
inline void check(cudaError_t code, const char* file, int line) {
    if (code != cudaSuccess) throw std::runtime_error(std::string(file) + ":" + std::to_string(line) + " " + cudaGetErrorString(code));
}
#define CUDA_CHECK(x) check((x), __FILE__, __LINE__)
template <class T>
class DeviceBuffer {
    T* ptr_ = nullptr;
    std::size_t size_ = 0;
public:
    explicit DeviceBuffer(std::size_t n) : size_(n) { CUDA_CHECK(cudaMalloc(&ptr_, n * sizeof(T))); }  //@alloc
    ~DeviceBuffer() { cudaFree(ptr_); }
    //- never freed @alloc
    DeviceBuffer(const DeviceBuffer&) = delete;
    T* get() const { return ptr_; }
    void upload(const std::vector<T>& v) { CUDA_CHECK(cudaMemcpy(ptr_, v.data(), v.size() * sizeof(T), cudaMemcpyHostToDevice)); }
    std::vector<T> download() const { std::vector<T> v(size_); CUDA_CHECK(cudaMemcpy(v.data(), ptr_, size_ * sizeof(T), cudaMemcpyDeviceToHost)); return v; }
    //= cudaErrorInvalidValue @down: std::vector<T> download() const { std::vector<T> v(size_ + 1); cudaMemcpy(v.data(), ptr_, v.size() * sizeof(T), cudaMemcpyDeviceToHost); v.pop_back(); return v; }  //@down
};
template <typename T, int N, typename F>
__global__ void transform_reduce(T* out, const T* in, std::size_t n, F f) {
    __shared__ T s[N];
    T v{};
    for (std::size_t i = blockIdx.x * std::size_t(N) + threadIdx.x; i < n; i += std::size_t(N) * gridDim.x) v += f(in[i]);
    s[threadIdx.x] = v;
    for (int k = N / 2; k; k >>= 1) {
        __syncthreads();
        //- race @tree
        if (threadIdx.x < k) s[threadIdx.x] += s[threadIdx.x + k];  //@tree
        //= race @tree: s[threadIdx.x] += s[(threadIdx.x + k) % N];
    }
    if (threadIdx.x == 0) out[blockIdx.x] = s[0];
}
struct Square { template <class T> __host__ __device__ T operator()(T x) const { return x * x; } };
int main() try {
    std::mt19937 gen(42);
    std::uniform_real_distribution<double> dist(-1, 1);
    std::vector<double> h(5000);
    std::generate(h.begin(), h.end(), [&] { return dist(gen); });
    DeviceBuffer<double> in(h.size()), out(8);
    in.upload(h);
    auto t0 = std::chrono::high_resolution_clock::now();
    transform_reduce<double, 128><<<8, 128>>>(out.get(), in.get(), h.size(), Square{});
    CUDA_CHECK(cudaGetLastError());
    CUDA_CHECK(cudaDeviceSynchronize());
    std::chrono::duration<double, std::milli> ms = std::chrono::high_resolution_clock::now() - t0;
    auto parts = out.download();
    double sum = std::accumulate(parts.begin(), parts.end(), 0.0), want = std::inner_product(h.begin(), h.end(), h.begin(), 0.0);
    std::cout << std::fixed << std::setprecision(6) << sum << " " << want << " " << (ms.count() >= 0) << "\n";
    return std::abs(sum - want) < 1e-9 ? 0 : 1;
} catch (const std::exception& e) { std::cerr << e.what() << '\n'; return 2; }
