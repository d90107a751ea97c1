// A sum of doubles as the CUDA guide writes it for old GPUs: read, add, and store with atomicCAS if it is still the same.
// launch: add_double<<<3, 64>>>(sum[1] = 0, x[192])
__device__ double add(double* at, double value) {
    unsigned long long* bits = reinterpret_cast<unsigned long long*>(at);
    unsigned long long old = *bits, seen;
    do {
        seen = old;
        old = atomicCAS(bits, seen, __double_as_longlong(value + __longlong_as_double(seen)));
    } while (seen != old);
    return __longlong_as_double(old);
}
__global__ void add_double(double* sum, const double* x) { add(sum, x[blockIdx.x * 64 + threadIdx.x]); }
