// A sparse matrix times a vector, a thread a row; the rows' beginnings are made here.
// launch: spmv<<<2, 32>>>(y[50], values[200], columns[200], x[10], 50, 4)
__global__ void spmv(float* y, const float* values, const int* columns, const float* x, int rows, int each) {
    int row = blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
    //= out of bounds @sum: if (row <= rows) {
        float sum = 0;
        for (int i = row * each; i < (row + 1) * each; ++i) sum += values[i] * x[columns[i]];  //@sum
        //= out of bounds @sum: for (int i = row * each; i <= (row + 1) * each; ++i) sum += values[i] * x[columns[i]];
        //= out of bounds @sum: for (int i = row * each; i < (row + 1) * each; ++i) sum += values[i] * x[columns[i] + 1];
        y[row] = sum;
    }
}
