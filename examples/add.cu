// y = a + b, a thread an element: a first kernel to break. Try it:
//
//   python -m minivit kernel examples/add.cu               run it
//   python -m minivit kernel examples/add.cu --check       look for mistakes: then delete the guard, and check again
//   python -m minivit kernel examples/add.cu --profile     count what each line asks of the memory
//
// launch: add<<<4, 256>>>(y[1000], a[1000], b[1000], 1000)

__global__ void add(float* y, const float* a, const float* b, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) y[i] = a[i] + b[i];  // the guard: 4 blocks of 256 are 1,024 threads, 24 too many
}
