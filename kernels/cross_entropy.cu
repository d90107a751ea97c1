// Softmax cross-entropy: losses (rows) and their gradients dlogits (rows, classes), each row's own; the 1/rows of the
// mean comes later. minivit/ops/cross_entropy.py derives  loss = −Σ y log p  and  dlogits = p Σ y − y.
//
// A warp a row, sums by shuffles. The logits are read four times (for their maximum, for Σ exp, for the loss and for
// the gradient), the last three times from the cache: a row is short. Counted at 1000 classes, the loads and stores
// fetch 2.6 times the floor of 2 rows·classes numbers; the different sectors are the floor itself. The maximum is
// subtracted first, so that no logit overflows in exp, however large.
//
// The target of a row is a class (labels) or a row of probabilities (targets); the other pointer is null. A label that
// is no class makes its whole row NaN: a kernel cannot raise an error, and a wrong label must not train in silence.
//
// python -m minivit kernel kernels/cross_entropy.cu --profile    counts what this launch asks of memory:
// launch: cross_entropy<float><<<2, 128>>>(losses[5], dlogits[5, 33], logits[5, 33], labels[5], null, 5, 33, 0.1)
#include "common.cuh"

// y_k = (1 − ε) target_k + ε/classes: label smoothing.
template <typename T>
struct Target {
    const T* probabilities;  // this row's, or null
    int label;
    T kept, spread;  // 1 − ε and ε/classes

    __device__ __forceinline__ T at(int k) const {
        T target = probabilities ? probabilities[k] : T(k == label);
        return kept * target + spread;
    }
};

template <typename T>
__global__ void cross_entropy(T* __restrict__ losses, T* __restrict__ dlogits, const T* __restrict__ logits,
                              const int* __restrict__ labels, const T* __restrict__ targets, int rows, int classes,
                              T smoothing) {
    int lane = threadIdx.x % WARP;
    size_t row = warp_number();
    if (row >= size_t(rows)) return;  // all 32 lanes or none
    size_t start = row * classes;
    logits += start;
    dlogits += start;

    int label = labels ? labels[row] : 0;
    Target<T> y = {targets ? targets + start : nullptr, label, T(1) - smoothing, smoothing / classes};
    if (label < 0 || label >= classes) y.kept = log(T(-1));  // NaN

    T largest = logits[0];  // every lane starts from a logit of the row: it may have none of its own
    for (int k = lane; k < classes; k += WARP) largest = logits[k] > largest ? logits[k] : largest;
    largest = warp_max(largest);

    T sum = 0;
    for (int k = lane; k < classes; k += WARP) sum += exp(logits[k] - largest);
    sum = warp_sum(sum);
    T log_sum = log(sum);

    T loss = 0, y_sum = 0;  // y_sum is 1 where the targets are proper probabilities
    for (int k = lane; k < classes; k += WARP) {
        loss -= y.at(k) * (logits[k] - largest - log_sum);
        y_sum += y.at(k);
    }
    loss = warp_sum(loss);
    y_sum = warp_sum(y_sum);
    if (lane == 0) losses[row] = loss;

    for (int k = lane; k < classes; k += WARP) dlogits[k] = exp(logits[k] - largest - log_sum) * y_sum - y.at(k);
}
