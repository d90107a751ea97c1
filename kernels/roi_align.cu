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
//
// Counted with 32 boxes of 7 × 7 bins on maps of 32², 16², 8² and 4² places of 64 floats. × floor: all bytes that loads
// and stores fetch, over those of each different sector once, y and the places that are looked at. What comes again
// comes from the cache: a bin's four points look at 16 places, of which its neighbours see half again.
//
// python -m minivit kernel kernels/roi_align.cu --profile    counts what this launch asks of memory:
// launch: roi_align_forward_v2<float><<<1, 128>>>(y[3, 4, 8], maps[20, 8], b[3, 4], looks[3, 4]=4, 1, 3, 20, 8, 2, 2)
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
