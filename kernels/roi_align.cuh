// What the kernels of RoIAlign share: where a box's points lie, and how much of a place they take.
#pragma once
#include "common.cuh"

constexpr int HALF = WARP / 2;  // of a warp's lanes: those that work out weights of rows; the others, of columns

// The map that a box looks at: where it begins among the image's places, how many rows and columns it has, and the
// pixels from one place to the next.
struct Look {
    int start, height, width, stride;
};

__device__ __forceinline__ Look look_of(const int* __restrict__ looks, size_t box) {
    Vec<int> numbers = load_vec(looks + 4 * box);
    return {numbers.at[0], numbers.at[1], numbers.at[2], numbers.at[3]};
}

// Where a box begins and ends along an axis, in places of its map. corners: x0, y0, x1, y1 in pixels; axis 0 is x.
template <typename T>
struct Extent {
    T low, high;

    __device__ __forceinline__ Extent(const T* __restrict__ corners, int axis, int stride)
        : low(corners[axis] / T(stride) - T(0.5)), high(corners[axis + 2] / T(stride) - T(0.5)) {}

    // Point number i of n, which are spread evenly.
    __device__ __forceinline__ T point(int i, int n) const { return low + (high - low) * (T(i) + T(0.5)) / T(n); }
};

template <typename T>
__device__ __forceinline__ T between(T x, T low, T high) {
    return x < low ? low : x > high ? high : x;
}

// A point's two places, and how much it takes of the second. One that is more than a place outside takes nothing, one
// that is less what stands at the edge. (`inside` is false for NaN, too, of which no place can be made.)
template <typename T>
struct Point {
    bool inside;
    int first, second;
    T part;

    __device__ __forceinline__ Point(T at, int places)
        : inside(at >= T(-1) && at <= T(places)), first(0), second(0), part(0) {
        if (!inside) return;
        at = between(at, T(0), T(places - 1));
        first = int(at);
        second = first + 1 < places ? first + 1 : first;
        part = at - T(first);
    }
};

// How much bin number `bin` of `size` takes of a place: the mean over its points of 1 − their distance, where positive.
// minivit/ops/roi_align.py calls it A.
template <typename T>
__device__ __forceinline__ T bin_weight(Extent<T> extent, int bin, int size, int samples, int place, int places) {
    T sum = 0;
    for (int u = 0; u < samples; ++u) {
        T at = extent.point(bin * samples + u, size * samples);
        if (!(at >= T(-1) && at <= T(places))) continue;
        T distance = between(at, T(0), T(places - 1)) - T(place);
        T weight = T(1) - (distance < 0 ? -distance : distance);
        if (weight > 0) sum += weight;
    }
    return sum / T(samples);
}
