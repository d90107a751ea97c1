// A place for each number by counting the smaller ones.
// launch: sort<<<2, 50>>>(y[100], x[100], 100)
__global__ void sort(float* y, const float* x, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x, rank = 0;
    if (i >= n) return;
    for (int j = 0; j < n; ++j) rank += x[j] < x[i] || (x[j] == x[i] && j < i);
    //= out of bounds @over: for (int j = 0; j <= n; ++j) rank += x[j] < x[i] || (x[j] == x[i] && j < i);  //@over
    y[rank] = x[i];  //@store
    //= out of bounds @store: y[rank + 1] = x[i];
}
