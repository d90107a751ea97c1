// A class that owns device memory, and a kernel that is handed a view of it.
#include <cstdio>
#include <stdexcept>
#include <vector>
template <typename T>
struct View {
    T* data;
    int rows, columns;
    __device__ T& at(int r, int c) const { return data[r * columns + c]; }
    //= out of bounds @copy: __device__ T& at(int r, int c) const { return data[r * (columns + 1) + c]; }
};
template <typename T>
class Matrix {
   public:
    Matrix(int rows, int columns) : view_{nullptr, rows, columns} {
        if (cudaMalloc(&view_.data, bytes()) != cudaSuccess) throw std::runtime_error("no memory");
    }
    ~Matrix() { cudaFree(view_.data); }
    //= never freed @none: ~Matrix() {}
    size_t bytes() const { return sizeof(T) * view_.rows * view_.columns; }
    void set(const std::vector<T>& host) { cudaMemcpy(view_.data, host.data(), bytes(), cudaMemcpyHostToDevice); }
    std::vector<T> get() const {
        std::vector<T> host(view_.rows * view_.columns);
        cudaMemcpy(host.data(), view_.data, bytes(), cudaMemcpyDeviceToHost);
        return host;
    }
    View<T> view() const { return view_; }

   private:
    View<T> view_;
};
template <typename T>
__global__ void transpose(View<T> y, View<const T> x) {
    int c = threadIdx.x, r = threadIdx.y;
    if (r < x.rows && c < x.columns) y.at(c, r) = x.at(r, c);  //@copy
}
int main() {
    Matrix<int> a(6, 9), b(9, 6);
    std::vector<int> host(54);
    for (int i = 0; i < 54; ++i) host[i] = i;
    a.set(host);
    View<int> from = a.view();
    transpose<int><<<1, dim3(9, 6)>>>(b.view(), View<const int>{from.data, from.rows, from.columns});
    //= cudaErrorInvalidConfiguration @l: transpose<int><<<1, dim3(9, 600)>>>(b.view(), View<const int>{from.data, from.rows, from.columns});  //@l
    if (cudaGetLastError() != cudaSuccess || cudaDeviceSynchronize() != cudaSuccess) return 1;
    return b.get()[1] == 9 ? 0 : 2;
}
