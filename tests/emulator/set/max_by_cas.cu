// The maximum of floats by compare-and-swap on their bits.
// launch: largest<<<2, 64>>>(m[1] = 0, x[500], 500)
__global__ void largest(int* m, const float* x, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
        int seen = atomicAdd(m, 0);
        //= race @plain: int seen = *m;  //@plain
        while (x[i] > __int_as_float(seen)) {
            int before = atomicCAS(m, seen, __float_as_int(x[i]));  //@cas
            //= race @store: int before = *m; *m = __float_as_int(x[i]);  //@store
            if (before == seen) break;
            seen = before;
        }
    }
}
