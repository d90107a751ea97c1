// Two vectors added: the first kernel of every course.
// launch: add<<<4, 256>>>(c[1000], a[1000], b[1000], 1000)
__global__ void add(float* c, const float* a, const float* b, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) c[i] = a[i] + b[i];  //@sum
    //= out of bounds @sum: if (i <= n) c[i] = a[i] + b[i];
    //= race @sum: if (i < n) c[threadIdx.x] = a[i] + b[i];
    //= unwritten @none: if (i < n / 2) c[i] = a[i] + b[i];
}
