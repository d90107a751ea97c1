// RoIAlign backward: dmaps[place] = Σ over the boxes that look at this map, Σ over their bins,
// weight of the bin's row · weight of its column · dy[bin]. Read roi_align.cu before this file.
//
// The forward's way back would scatter: every point adds to its four places. On a GPU that takes atomics, whose order,
// and so whose last bits, change from run to run. Here every place gathers: it asks each box of its image which of the
// bins have taken from it, and how much. The same bits on every run, and each number is written once.
//
//         idea                                                                  × floor     requests
//   v1    a thread a number, which asks every box and works out every weight         8.5      143,102
//   v2    a warp a place: its lanes ask 32 boxes at once, and share out the
//         weights of a box's rows and columns; then they are channels, 16
//         bytes each                                                                 4.4       14,573
//
// Counted as in roi_align.cu. The floor is dy and dmaps; dy's bins are asked for by every place that they took from.
//
// python -m minivit kernel kernels/roi_align_backward.cu --profile    counts what this launch asks of memory:
// launch: roi_align_backward_v2<float><<<5, 128>>>(dmaps[20, 8], dy[12, 8], b[3, 4], looks[3, 4]=4, 1, 3, 20, 8, 2, 2)
#include "roi_align.cuh"

// Row and column of a place in the map that the box looks at; false where it looks at another.
__device__ __forceinline__ bool find(int& row, int& column, int place, Look look) {
    int within = place - look.start;
    row = within / look.width;
    column = within % look.width;
    return within >= 0 && row < look.height;
}

// ---- v1: a thread a number ----------------------------------------------------------------------------------------

template <typename T>
__global__ void roi_align_backward_v1(T* __restrict__ dmaps, const T* __restrict__ dy, const T* __restrict__ boxes,
                                      const int* __restrict__ looks, int images, int queries, int places, int channels,
                                      int size, int samples) {
    size_t i = thread_number();
    if (i >= size_t(images) * places * channels) return;
    size_t image = i / channels / places;
    int place = i / channels % places, row, column;
    T sum = 0;
    for (size_t box = image * queries; box < (image + 1) * queries; ++box) {
        Look look = look_of(looks, box);
        if (!find(row, column, place, look)) continue;
        Extent<T> down(boxes + 4 * box, 1, look.stride), across(boxes + 4 * box, 0, look.stride);
        for (int s = 0; s < size; ++s) {
            T of_row = bin_weight(down, s, size, samples, row, look.height);
            if (of_row == 0) continue;
            for (int t = 0; t < size; ++t) {
                T of_column = bin_weight(across, t, size, samples, column, look.width);
                if (of_column == 0) continue;
                sum += of_row * of_column * dy[((box * size + s) * size + t) * channels + i % channels];
            }
        }
    }
    dmaps[i] = sum;
}

// ---- v2: a warp a place -------------------------------------------------------------------------------------------

// May any point of a box have taken from this place along one axis?
template <typename T>
__device__ __forceinline__ bool near(Extent<T> extent, int place, int places) {
    T low = extent.low < extent.high ? extent.low : extent.high, high = extent.low + extent.high - low;
    T last = T(places - 1);
    return T(place) > between(low, T(0), last) - T(1) && T(place) < between(high, T(0), last) + T(1);
}

template <typename T>
__global__ void roi_align_backward_v2(T* __restrict__ dmaps, const T* __restrict__ dy, const T* __restrict__ boxes,
                                      const int* __restrict__ looks, int images, int queries, int places, int channels,
                                      int size, int samples) {
    constexpr int SIZE = Vec<T>::SIZE;
    int lane = threadIdx.x % WARP, vectors = channels / SIZE, rounds = (vectors + WARP - 1) / WARP;
    size_t task = warp_number();  // a place, and which 32 of its vectors
    if (task >= size_t(images) * places * rounds) return;  // all 32 lanes or none
    size_t image = task / rounds / places;
    int place = task / rounds % places, vector = task % rounds * WARP + lane, row, column;
    Vec<T> sum = {};
    for (int first = 0; first < queries; first += WARP) {
        bool touched = false;  // by the box that is this lane's
        if (first + lane < queries) {
            size_t box = image * queries + first + lane;
            Look look = look_of(looks, box);
            touched = find(row, column, place, look) &&
                      near(Extent<T>(boxes + 4 * box, 1, look.stride), row, look.height) &&
                      near(Extent<T>(boxes + 4 * box, 0, look.stride), column, look.width);
        }
        // A bit a lane, the same for all lanes: they go through the boxes, and then through the bins, together.
        for (unsigned touching = __ballot_sync(ALL_LANES, touched); touching; touching &= touching - 1) {
            size_t box = image * queries + first + __ffs(touching) - 1;
            Look look = look_of(looks, box);
            find(row, column, place, look);
            bool down = lane < HALF;
            T weight = 0;
            if (lane % HALF < size)
                weight = bin_weight(Extent<T>(boxes + 4 * box, down, look.stride), lane % HALF, size, samples,
                                    down ? row : column, down ? look.height : look.width);
            unsigned bins = __ballot_sync(ALL_LANES, weight > 0);
            for (unsigned rows = bins & ((1u << HALF) - 1); rows; rows &= rows - 1) {
                int s = __ffs(rows) - 1;
                T of_row = __shfl_sync(ALL_LANES, weight, s);
                for (unsigned columns = bins >> HALF; columns; columns &= columns - 1) {
                    int t = __ffs(columns) - 1;
                    T of_both = of_row * __shfl_sync(ALL_LANES, weight, HALF + t);
                    if (vector >= vectors) continue;  // this lane has no channels left, but others want its weights
                    Vec<T> v = load_vec(dy + ((box * size + s) * size + t) * channels + vector * SIZE);
#pragma unroll
                    for (int e = 0; e < SIZE; ++e) sum.at[e] += of_both * v.at[e];
                }
            }
        }
    }
    if (vector < vectors) store_vec(dmaps + (image * places + place) * channels + vector * SIZE, sum);
}
