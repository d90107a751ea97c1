// Equal keys without a second criterion share a rank, and two threads write one place.
// launch: sort<<<1, 40>>>(y[40], x[40], 40)
__global__ void sort(int* y, const int* x, int n) {
    int i = threadIdx.x, rank = 0;
    for (int j = 0; j < n; ++j) rank += x[j] < x[i] || (x[j] == x[i] && j < i);
    //= race @store: for (int j = 0; j < n; ++j) rank += x[j] < x[i];
    y[rank] = x[i];  //@store
    //= unwritten @none: if (rank % 2) y[rank] = x[i];
}
