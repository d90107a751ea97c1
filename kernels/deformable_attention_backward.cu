// Deformable attention, backward. Read deformable_attention.cu first, and attention_backward.cu for the same trouble.
//
// A sample's gradients are its own: dweight = Σ share · dot and dlocation likewise, where dot = dy · V of each of its
// four cells. A cell's gradient is the sum over all samples that it had a share in, wherever they come from. One would
// add to it with atomics, whose order, and so whose last bits, change from run to run. Here a cell gathers:
//
//   v1  samples: a thread a sample, which goes through d numbers of four cells by itself. Neighbours in a warp have
//       other samples, and other cells: their loads lie in 32 sectors.
//       cells: a thread a number of dvalue, which looks at all Q · P samples of its map for those that touch its cell.
//   v2  samples: LANES threads to a sample, 16 bytes each; their sums meet by shuffles.
//       cells: the samples are sorted before, by the upper left of their cells (the library sorts; it keeps the order
//       of equals). So the samples that touch a cell stand together, in four places of that list, and are found.
//
// Counted as in deformable_attention.cu. Samples: 79,500 loads and stores of a warp for 28.7 MB in v1, where a load of
// a cell is 19.7 sectors; 32,816 for 4.0 MB in v2. Cells: 4,480,326 for 146.2 MB in v1, and that grows with Q · S, as a
// matrix of all queries and cells does; 65,895 for 8.9 MB in v2, the keys among them, and that grows with the samples.
//
// python -m minivit kernel kernels/deformable_attention_backward.cu --profile    counts what this launch asks:
// launch: deformable_backward_samples_v2<float, 2><<<1, 32>>>(a[24], b[12], c[48], v[96], at[24], w[12], l[3]=2, 1, 6, 3, 2, 1, 2, 8)
#include "deformable_attention.cuh"

// The sum of v over the LANES neighbouring lanes that share a sample. All 32 lanes must call it.
template <typename T, int LANES>
__device__ __forceinline__ T sample_sum(T v) {
#pragma unroll
    for (int bit = LANES / 2; bit > 0; bit /= 2) v += __shfl_xor_sync(ALL_LANES, v, bit);
    return v;
}

// What one cell tells its sample: `dot` is dy · V of this corner.
template <typename T>
struct SampleGradient {
    T share, down, across;  // for the weight, and for a move by one cell
    __device__ __forceinline__ void add(const Place<T>& place, int corner, T dot) {
        share += place.share(corner) * dot;
        down += place.columns_share(corner) * (corner / 2 ? dot : -dot);
        across += place.rows_share(corner) * (corner % 2 ? dot : -dot);
    }
    __device__ __forceinline__ void store(T* dlocation, T* dweight, T weight, Level level) const {
        dlocation[0] = weight * across * level.width;
        dlocation[1] = weight * down * level.height;
        *dweight = share;
    }
};

// ---- v1 -----------------------------------------------------------------------------------------------------------

template <typename T>
__global__ void deformable_backward_samples_v1(T* __restrict__ dlocations, T* __restrict__ dweights,
                                               const T* __restrict__ dy, const T* __restrict__ value,
                                               const T* __restrict__ locations, const T* __restrict__ weights,
                                               const int* __restrict__ levels, int B, int S, int Q, int H, int L, int P,
                                               int d) {
    size_t sample = thread_number(), head = sample / (size_t(L) * P);
    if (head >= size_t(B) * Q * H) return;
    Cells<const T> cells = cells_of(value, head, S, Q, H, d);
    Level level = level_of(levels, sample / P % L);
    Place<T> place = place_of(locations + 2 * sample, level);
    SampleGradient<T> gradient = {};
#pragma unroll
    for (int corner = 0; corner < 4; ++corner) {
        if (!place.touches || !place.has(corner, level)) continue;
        const T* v = cells.row(place.cell(corner, level));
        T dot = 0;
        for (int c = 0; c < d; ++c) dot += dy[head * d + c] * v[c];
        gradient.add(place, corner, dot);
    }
    gradient.store(dlocations + 2 * sample, dweights + sample, weights[sample], level);
}

template <typename T>
__global__ void deformable_backward_cells_v1(T* __restrict__ dvalue, const T* __restrict__ dy,
                                             const T* __restrict__ locations, const T* __restrict__ weights,
                                             const int* __restrict__ levels, int B, int S, int Q, int H, int L, int P,
                                             int d) {
    size_t i = thread_number(), cell_and_head = i / d;
    if (i >= size_t(B) * S * H * d) return;
    int h = cell_and_head % H, cell = cell_and_head / H % S, l = 0;
    size_t b = cell_and_head / (size_t(S) * H);
    while (l + 1 < L && cell >= levels[3 * (l + 1) + 2]) ++l;
    Level level = level_of(levels, l);
    T sum = 0;
    for (int q = 0; q < Q; ++q) {
        size_t head = (b * Q + q) * H + h;
        for (int p = 0; p < P; ++p) {
            size_t sample = (head * L + l) * P + p;
            Place<T> place = place_of(locations + 2 * sample, level);
            if (!place.touches) continue;
#pragma unroll
            for (int corner = 0; corner < 4; ++corner)
                if (place.has(corner, level) && place.cell(corner, level) == cell)
                    sum += weights[sample] * place.share(corner) * dy[head * d + i % d];
        }
    }
    dvalue[i] = sum;
}

// ---- v2 -----------------------------------------------------------------------------------------------------------

template <typename T, int LANES>
__global__ void deformable_backward_samples_v2(T* __restrict__ dlocations, T* __restrict__ dweights,
                                               const T* __restrict__ dy, const T* __restrict__ value,
                                               const T* __restrict__ locations, const T* __restrict__ weights,
                                               const int* __restrict__ levels, int B, int S, int Q, int H, int L, int P,
                                               int d) {
    constexpr int SIZE = Vec<T>::SIZE;
    size_t sample = thread_number() / LANES, head = sample / (size_t(L) * P);
    bool there = head < size_t(B) * Q * H;  // no `return` for the others: the shuffles need all lanes
    Level level = level_of(levels, sample / P % L);
    Place<T> place = {};
    SampleGradient<T> gradient = {};
    if (there) place = place_of(locations + 2 * sample, level);
    if (place.touches) {
        Cells<const T> cells = cells_of(value, head, S, Q, H, d);
        for (int c = threadIdx.x % LANES * SIZE; c < d; c += LANES * SIZE) {
            Vec<T> dv = load_vec(dy + head * d + c);
#pragma unroll
            for (int corner = 0; corner < 4; ++corner) {
                if (!place.has(corner, level)) continue;
                Vec<T> v = load_vec(cells.row(place.cell(corner, level)) + c);
                T dot = 0;
#pragma unroll
                for (int j = 0; j < SIZE; ++j) dot += dv.at[j] * v.at[j];
                gradient.add(place, corner, dot);
            }
        }
    }
    gradient.share = sample_sum<T, LANES>(gradient.share);
    gradient.down = sample_sum<T, LANES>(gradient.down);
    gradient.across = sample_sum<T, LANES>(gradient.across);
    if (there && threadIdx.x % LANES == 0)
        gradient.store(dlocations + 2 * sample, dweights + sample, weights[sample], level);
}

// Of a map with a margin of one above and to the left, where upper left cells may be: the first of each image and head,
// of each map, and of its rows, one after the other. Where no cell is touched: the last number of all.
__device__ __forceinline__ size_t first_corner(size_t b, int h, int H, int corners) {
    return (b * H + h) * corners;
}

__device__ __forceinline__ int corner_on_map(Level level, int row, int column) {
    return (row + 1) * (level.width + 1) + column + 1;
}

// keys[sample]: where its upper left cell is, among B · H · `corners` and one more. firsts (L): of each map.
template <typename T>
__global__ void deformable_keys(int* __restrict__ keys, const T* __restrict__ locations, const int* __restrict__ levels,
                                const int* __restrict__ firsts, int samples, int Q, int H, int L, int P, int corners,
                                int nowhere) {
    size_t sample = thread_number();
    if (sample >= size_t(samples)) return;
    int l = sample / P % L, h = sample / (size_t(L) * P) % H;
    size_t b = sample / (size_t(L) * P * H * Q);
    Level level = level_of(levels, l);
    Place<T> place = place_of(locations + 2 * sample, level);
    keys[sample] = !place.touches ? nowhere
                                  : int(first_corner(b, h, H, corners) + firsts[l] +
                                        corner_on_map(level, place.row, place.column));
}

// order: the samples, sorted by their keys; starts (B · H · corners + 1): where those of each key begin in it.
template <typename T, int LANES>
__global__ void deformable_backward_cells_v2(T* __restrict__ dvalue, const T* __restrict__ dy,
                                             const T* __restrict__ locations, const T* __restrict__ weights,
                                             const int* __restrict__ levels, const int* __restrict__ firsts,
                                             const int* __restrict__ order, const int* __restrict__ starts, int B,
                                             int S, int H, int L, int P, int d, int corners) {
    constexpr int SIZE = Vec<T>::SIZE;
    size_t cell_and_head = thread_number() / LANES;
    if (cell_and_head >= size_t(B) * S * H) return;
    int h = cell_and_head % H, cell = cell_and_head / H % S, l = 0;
    while (l + 1 < L && cell >= levels[3 * (l + 1) + 2]) ++l;
    Level level = level_of(levels, l);
    int row = (cell - level.start) / level.width, column = (cell - level.start) % level.width;
    size_t first = first_corner(cell_and_head / (size_t(S) * H), h, H, corners) + firsts[l];
    for (int c = threadIdx.x % LANES * SIZE; c < d; c += LANES * SIZE) {
        Vec<T> sum = {};
#pragma unroll
        for (int corner = 0; corner < 4; ++corner) {  // which corner of its samples this cell is
            size_t key = first + corner_on_map(level, row - corner / 2, column - corner % 2);
            for (int k = starts[key]; k < starts[key + 1]; ++k) {
                size_t sample = order[k];
                T share = weights[sample] * place_of(locations + 2 * sample, level).share(corner);
                Vec<T> dv = load_vec(dy + sample / (size_t(L) * P) * d + c);
#pragma unroll
                for (int j = 0; j < SIZE; ++j) sum.at[j] += share * dv.at[j];
            }
        }
        store_vec(dvalue + cell_and_head * d + c, sum);
    }
}
