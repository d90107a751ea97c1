// AdamW's update of every parameter, in one pass over four arrays; minivit/train/optimizer.py has the formula.
//
// NumPy writes a dozen temporary arrays on the way. Here they are registers, and what moves is what must: 4 n numbers
// read, 3 n written, 28 bytes a float parameter. That is what fusing means.
//
// What is the same for all parameters comes in as numbers, computed once by the host, in double. Even 1 − β: β₂ = 0.999
// as a float is 0.99900001, and 1 − that is off by one part in 80,000.
//
// python -m minivit kernel kernels/adamw.cu --profile    counts what this launch asks of memory:
// launch: adamw<float><<<2, 256>>>(p[300]=1, m[300]=0, v[300]=0, g[300], 300, 200, .1, 1e-3, 1e-4, 1e-2, 1e-3, 1e-8)
#include "common.cuh"

template <typename T>
__global__ void adamw(T* __restrict__ theta, T* __restrict__ mean, T* __restrict__ square, const T* __restrict__ grads,
                      int n, int decayed,  // those that decay come first
                      T one_minus_beta1,  // m ← β₁ m + (1−β₁) g, written m + (1−β₁) (g − m)
                      T one_minus_beta2,
                      T shrink,             // learning rate · decay
                      T step_size,          // learning rate / (1 − β₁ᵗ)
                      T square_correction,  // 1 − β₂ᵗ
                      T eps) {
    size_t i = thread_number();
    if (i >= size_t(n)) return;
    T g = grads[i], m = mean[i], v = square[i], p = theta[i];
    m += one_minus_beta1 * (g - m);
    v += one_minus_beta2 * (g * g - v);
    if (i < size_t(decayed)) p -= shrink * p;
    p -= step_size * m / (sqrt(v / square_correction) + eps);
    mean[i] = m;
    square[i] = v;
    theta[i] = p;
}
