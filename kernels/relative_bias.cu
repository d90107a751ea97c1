// The gradient of a table of relative positions: dtable[entry, h] = Σ dbias[h, q, k] over all pairs (q, k) that used
// the entry. minivit/ops/positions.py has the forward, which is a lookup and needs no kernel.
//
// One would scatter: every pair adds to its entry. On a GPU that takes atomics, whose order, and so whose last bits,
// change from run to run. Here every entry gathers: a warp an entry and head, whose lanes look at all N² pairs and add
// up those that are theirs. More is read (from the cache), and the result is the same on every run.
//
// python -m minivit kernel kernels/relative_bias.cu --profile    counts what this launch asks of memory:
// launch: relative_bias_backward<float><<<23, 128>>>(dtable[30, 3], dbias[3, 7, 7], index[7, 7], 49, 30, 3)
#include "common.cuh"

template <typename T>
__global__ void relative_bias_backward(T* __restrict__ dtable, const T* __restrict__ dbias,
                                       const int* __restrict__ index, int pairs, int entries, int heads) {
    int lane = threadIdx.x % WARP;
    size_t task = warp_number();
    if (task >= size_t(entries) * heads) return;  // all 32 lanes or none
    int entry = task / heads, head = task % heads;
    const T* gradient = dbias + size_t(head) * pairs;
    T sum = 0;
    for (int pair = lane; pair < pairs; pair += WARP)
        if (index[pair] == entry) sum += gradient[pair];
    sum = warp_sum(sum);
    if (lane == 0) dtable[task] = sum;
}
