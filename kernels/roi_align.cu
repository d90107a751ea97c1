// RoIAlign forward: what lies in each box of an image's maps, as size × size bins of `samples`² points, each of which
// takes from four places. minivit/ops/roi_align.py tells which and how much, and makes two matrix products of it; here
// every bin goes to its places. Read gelu.cu before this file.
//
// maps (images, places, C) are all maps of an image, one after another; looks (images · queries, 4) say which of them a
// box looks at: see Look in roi_align.cuh.
//
//         idea                                                                  × floor     requests
//   v1    a thread a number; neighbours are channels of the same bin                13.8       62,600
//   v2    a thread 16 bytes of channels: where the points lie is worked out
//         once for them, and they are a quarter of the loads                         9.9       16,176
//   v3    a warp a bin, place by place, not point by point: none is read twice       4.5       12,463
//
// Counted with 32 boxes of 7 × 7 bins on maps of 32², 16², 8² and 4² places of 64 floats. × floor: all bytes that loads
// and stores fetch, over those of each different sector once, y and the places that are looked at. What comes again
// comes from the cache: neighbouring bins share places, too.
//
// python -m minivit kernel kernels/roi_align.cu --profile    counts what this launch asks of memory:
// launch: roi_align_forward_v3<float><<<3, 128>>>(y[3, 4, 8], maps[20, 8], b[3, 4], looks[3, 4]=4, 1, 3, 20, 8, 2, 2)
#include "roi_align.cuh"

// ---- v1: a thread a number ----------------------------------------------------------------------------------------

template <typename T>
__global__ void roi_align_forward_v1(T* __restrict__ y, const T* __restrict__ maps, const T* __restrict__ boxes,
                                     const int* __restrict__ looks, int images, int queries, int places, int channels,
                                     int size, int samples) {
    size_t i = thread_number();
    if (i >= size_t(images) * queries * size * size * channels) return;
    size_t bin = i / channels, box = bin / (size * size);
    int row = bin / size % size, column = bin % size;
    Look look = look_of(looks, box);
    Extent<T> down(boxes + 4 * box, 1, look.stride), across(boxes + 4 * box, 0, look.stride);
    const T* map = maps + (box / queries * places + look.start) * channels + i % channels;
    T sum = 0;
    for (int u = 0; u < samples; ++u) {
        Point<T> p(down.point(row * samples + u, size * samples), look.height);
        for (int v = 0; v < samples; ++v) {
            Point<T> q(across.point(column * samples + v, size * samples), look.width);
            if (!p.inside || !q.inside) continue;
            const T* above = map + size_t(p.first) * look.width * channels;
            const T* below = map + size_t(p.second) * look.width * channels;
            int left = q.first * channels, right = q.second * channels;
            sum += (T(1) - p.part) * ((T(1) - q.part) * above[left] + q.part * above[right]) +
                   p.part * ((T(1) - q.part) * below[left] + q.part * below[right]);
        }
    }
    y[i] = sum / T(samples * samples);
}

// ---- v2: a thread 16 bytes ----------------------------------------------------------------------------------------

template <typename T>
__global__ void roi_align_forward_v2(T* __restrict__ y, const T* __restrict__ maps, const T* __restrict__ boxes,
                                     const int* __restrict__ looks, int images, int queries, int places, int channels,
                                     int size, int samples) {
    constexpr int SIZE = Vec<T>::SIZE;
    int vectors = channels / SIZE;
    size_t i = thread_number();
    if (i >= size_t(images) * queries * size * size * vectors) return;
    size_t bin = i / vectors, box = bin / (size * size);
    int row = bin / size % size, column = bin % size;
    Look look = look_of(looks, box);
    Extent<T> down(boxes + 4 * box, 1, look.stride), across(boxes + 4 * box, 0, look.stride);
    const T* map = maps + (box / queries * places + look.start) * channels + i % vectors * SIZE;
    Vec<T> sum = {};
    for (int u = 0; u < samples; ++u) {
        Point<T> p(down.point(row * samples + u, size * samples), look.height);
        for (int v = 0; v < samples; ++v) {
            Point<T> q(across.point(column * samples + v, size * samples), look.width);
            if (!p.inside || !q.inside) continue;
            const T* above = map + size_t(p.first) * look.width * channels;
            const T* below = map + size_t(p.second) * look.width * channels;
            int left = q.first * channels, right = q.second * channels;
            Vec<T> a = load_vec(above + left), b = load_vec(above + right);
            Vec<T> c = load_vec(below + left), d = load_vec(below + right);
#pragma unroll
            for (int e = 0; e < SIZE; ++e)
                sum.at[e] += (T(1) - p.part) * ((T(1) - q.part) * a.at[e] + q.part * b.at[e]) +
                             p.part * ((T(1) - q.part) * c.at[e] + q.part * d.at[e]);
        }
    }
#pragma unroll
    for (int e = 0; e < SIZE; ++e) sum.at[e] /= T(samples * samples);
    store_vec(y + i * SIZE, sum);
}

// ---- v3: place by place -------------------------------------------------------------------------------------------
// A bin's points lie close together: four of them between 3 × 3 places ask for 16 and need 9. So a warp takes a bin:
// its first 16 lanes work out what the bin takes of 16 rows, the others of 16 columns, and each place is read once.

// The first and the last place that a bin can take from along an axis. For NaN, both are the first there is.
template <typename T>
__device__ __forceinline__ void span(int& first, int& last, Extent<T> extent, int bin, int size, int samples,
                                     int places) {
    T a = extent.point(bin * samples, size * samples), b = extent.point((bin + 1) * samples - 1, size * samples);
    T low = a < b ? a : b, high = a < b ? b : a, end = T(places - 1);
    first = int(low > 0 ? (low < end ? low : end) : T(0));
    last = int(high > 0 ? (high < end ? high : end) : T(0));
    last = last + 1 < places ? last + 1 : last;
}

template <typename T>
__global__ void roi_align_forward_v3(T* __restrict__ y, const T* __restrict__ maps, const T* __restrict__ boxes,
                                     const int* __restrict__ looks, int images, int queries, int places, int channels,
                                     int size, int samples) {
    constexpr int SIZE = Vec<T>::SIZE;
    int lane = threadIdx.x % WARP, vectors = channels / SIZE, rounds = (vectors + WARP - 1) / WARP;
    size_t task = warp_number();  // a bin, and which 32 of its vectors
    if (task >= size_t(images) * queries * size * size * rounds) return;  // all 32 lanes or none
    size_t bin = task / rounds, box = bin / (size * size);
    int vector = task % rounds * WARP + lane;
    Look look = look_of(looks, box);
    bool down = lane < HALF;
    Extent<T> extent(boxes + 4 * box, down, look.stride);
    int own = down ? bin / size % size : bin % size, side = down ? look.height : look.width, first, last;
    span(first, last, extent, own, size, samples, side);
    int row = __shfl_sync(ALL_LANES, first, 0), last_row = __shfl_sync(ALL_LANES, last, 0);
    int column = __shfl_sync(ALL_LANES, first, HALF), last_column = __shfl_sync(ALL_LANES, last, HALF);
    const T* map = maps + (box / queries * places + look.start) * channels + vector * SIZE;
    Vec<T> sum = {};
    for (int i = row; i <= last_row; i += HALF) {
        for (int j = column; j <= last_column; j += HALF) {
            int place = (down ? i : j) + lane % HALF;
            T weight = place <= last ? bin_weight(extent, own, size, samples, place, side) : T(0);
            unsigned taken = __ballot_sync(ALL_LANES, weight > 0);
            for (unsigned rows = taken & ((1u << HALF) - 1); rows; rows &= rows - 1) {
                int r = __ffs(rows) - 1;
                T of_row = __shfl_sync(ALL_LANES, weight, r);
                for (unsigned columns = taken >> HALF; columns; columns &= columns - 1) {
                    int c = __ffs(columns) - 1;
                    T of_both = of_row * __shfl_sync(ALL_LANES, weight, HALF + c);
                    if (vector >= vectors) continue;  // this lane has no channels left, but others want its weights
                    Vec<T> v = load_vec(map + (size_t(i + r) * look.width + j + c) * channels);
#pragma unroll
                    for (int e = 0; e < SIZE; ++e) sum.at[e] += of_both * v.at[e];
                }
            }
        }
    }
    if (vector < vectors) store_vec(y + bin * channels + vector * SIZE, sum);
}
