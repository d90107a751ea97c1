// Deformable attention, forward: y = Σ weight · V(location), over L maps and P samples on each, where V lies between
// four cells. minivit/ops/deformable_attention.py derives it; deformable_attention.cuh has the arrays.
//
//   v1  a thread a number of y. The d threads of a head read the same d numbers of a cell side by side; but each works
//       out for itself where the samples are.
//   v2  a thread 16 bytes of y. A quarter of the loads, and of the arithmetic before them.
//
// Counted for one image: 100 queries, 8 heads of 32 floats, 4 samples on each of three maps of 20 x 27, 10 x 14 and
// 5 x 7 cells. Loads and stores of a warp: 56,965 in v1, 15,749 in v2. Different sectors: 0.90 MB, what must move, for
// all that queries look at is read at least once. Asked for: 4.2 MB and 4.1 MB, for a cell has a share in several
// samples; the cache has it from the second time on.
//
// python -m minivit kernel kernels/deformable_attention.cu --profile    counts what this launch asks of memory:
// launch: deformable_forward_v2<float, 2><<<1, 32>>>(y[48], v[96], at[24], w[12], levels[3] = 2, 1, 6, 3, 2, 1, 2, 8)
#include "deformable_attention.cuh"

// ---- v1: a thread a number ----------------------------------------------------------------------------------------

template <typename T>
__global__ void deformable_forward_v1(T* __restrict__ y, const T* __restrict__ value, const T* __restrict__ locations,
                                      const T* __restrict__ weights, const int* __restrict__ levels, int B, int S,
                                      int Q, int H, int L, int P, int d) {
    size_t i = thread_number(), head = i / d;
    if (i >= size_t(B) * Q * H * d) return;
    Cells<const T> cells = cells_of(value + i % d, head, S, Q, H, d);
    T sum = 0;
    for (int l = 0; l < L; ++l) {
        Level level = level_of(levels, l);
        for (int p = 0; p < P; ++p) {
            size_t sample = (head * L + l) * P + p;
            Place<T> place = place_of(locations + 2 * sample, level);
            if (!place.touches) continue;
            T weight = weights[sample];
#pragma unroll
            for (int corner = 0; corner < 4; ++corner)
                if (place.has(corner, level))
                    sum += weight * place.share(corner) * *cells.row(place.cell(corner, level));
        }
    }
    y[i] = sum;
}

// ---- v2: a thread 16 bytes ----------------------------------------------------------------------------------------

// LANES: threads to a head, a power of two with 16 bytes for each. A head that is wider than 32 of them takes rounds.
template <typename T, int LANES>
__global__ void deformable_forward_v2(T* __restrict__ y, const T* __restrict__ value, const T* __restrict__ locations,
                                      const T* __restrict__ weights, const int* __restrict__ levels, int B, int S,
                                      int Q, int H, int L, int P, int d) {
    constexpr int SIZE = Vec<T>::SIZE;
    size_t head = thread_number() / LANES;
    if (head >= size_t(B) * Q * H) return;
    Cells<const T> cells = cells_of(value, head, S, Q, H, d);
    for (int c = threadIdx.x % LANES * SIZE; c < d; c += LANES * SIZE) {
        Vec<T> sum = {};
        for (int l = 0; l < L; ++l) {
            Level level = level_of(levels, l);
            for (int p = 0; p < P; ++p) {
                size_t sample = (head * L + l) * P + p;
                Place<T> place = place_of(locations + 2 * sample, level);
                if (!place.touches) continue;
                T weight = weights[sample];
#pragma unroll
                for (int corner = 0; corner < 4; ++corner) {
                    if (!place.has(corner, level)) continue;
                    Vec<T> v = load_vec(cells.row(place.cell(corner, level)) + c);
                    T share = weight * place.share(corner);
#pragma unroll
                    for (int j = 0; j < SIZE; ++j) sum.at[j] += share * v.at[j];
                }
            }
        }
        store_vec(y + head * d + c, sum);
    }
}
