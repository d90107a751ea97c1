// The gradient of a bias: db = Σ_row dy, over all tokens of all images. y = x W + b has one, and so every dense layer.
//
// By the book it is a product with a row of ones, which first must be made: two launches, and a pass over ones that
// nobody needs. Here it is a sum, in one launch, by the blocks of column_sums.cuh. What moves is what must: dy once.
//
// python -m minivit kernel kernels/column_sums.cu --profile    counts what this launch asks of memory:
// launch: column_sums<float><<<5, (8, 32)>>>(sums[36], x[70, 36], 70, 36)
#include "column_sums.cuh"

template <typename T>
__global__ void column_sums(T* __restrict__ sums, const T* __restrict__ x, int rows, int width) {
    sum_columns(sums, x, rows, width);
}
