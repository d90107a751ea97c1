// Running sums along the rows of a table, a thread a row.
// launch: cumsum<<<1, 40>>>(y[40, 20], x[40, 20], 20)
__global__ void cumsum(double* y, const double* x, int n) {
    int row = threadIdx.x;
    double sum = 0;
    for (int c = 0; c < n; ++c) {
    //= out of bounds @step: for (int c = 0; c <= n; ++c) {
    //= unwritten @none: for (int c = 1; c < n; ++c) {
        sum += x[row * n + c];  //@step
        y[row * n + c] = sum;
        //= uninitialised @bad: y[row * n + c] += sum;  //@bad
        //= race @bad: y[c] = sum;  //@bad
    }
}
