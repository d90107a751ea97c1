// Augmentation: every image a little shifted, turned, scaled and bent; minivit/train/augment.py has the formulas.
//
// In a library's operations it is some sixty launches, each of which writes an array of coordinates or weights that the
// next one reads. Here all of that stays in registers and shared memory; a pixel's thread looks up four pixels of the
// image, which its neighbours want, too, and find in the cache, and stores one. So what moves is the images, once in
// and once out, and the random numbers.
//
// What bends an image are displacements: random numbers on a coarse grid, a point every 4 pixels, smoothed by a
// Gaussian of that width along both sides. A block is a tile of 16 × 16 pixels, and the points that reach into it are
// 16 × 16, too: from 24 pixels before it to 21 after it. What lies further off weighs less than 4e-9. So each thread
// loads a point, makes a weight for a row and one for a column, smooths down the columns, and then along the rows: 64
// multiplications a pixel for both displacements. Both sides in one sum would be 512.
//
// The grid is (images, tiles down, tiles across).
//
// python -m minivit kernel kernels/move_images.cu --profile    counts what this launch asks of memory:
// launch: move_images<float><<<(3, 2, 2), (16, 16)>>>(y[2352], x[2352], u[12], z[600], 28, 28, 1, 10, 10, 2, 10, .1, 1)
#include "common.cuh"

constexpr int SIDE = 16;    // pixels of a tile, and points that reach into it, along a side
constexpr int SPACING = 4;  // pixels between two points, and the Gaussian's σ; point j lies at pixel 4 (j − 1)
constexpr int BEFORE = 6;   // how many of the tile's points lie before its first pixel

// How much a point counts for a pixel: a lane asks for one of the 16 points of its pixel, whose 16 lanes make the
// squares add up to 1. Then a sum of independent numbers of deviation 1 has it, too. A point beyond the grid is none.
template <typename T>
__device__ __forceinline__ T weight_of(int point, int pixel, int points) {
    T distance = T(pixel - (point - 1) * SPACING) / SPACING;
    T weight = 0 <= point && point < points ? exp(T(-0.5) * distance * distance) : T(0);
    T squares = weight * weight;
#pragma unroll
    for (int bit = SIDE / 2; bit > 0; bit /= 2) squares += __shfl_xor_sync(ALL_LANES, squares, bit);
    return weight / sqrt(squares);
}

template <typename T>
__device__ __forceinline__ T between(T a, T b, T t) {
    return a + (b - a) * t;
}

// draws (4, images), in [0, 1): each image's shift down and across, rotation (degrees) and scale, within their ranges.
// noise (2, images, points_down, points_across), normal: of the displacements down and across; or null.
template <typename T>
__global__ void move_images(T* __restrict__ moved, const T* __restrict__ images, const T* __restrict__ draws,
                            const T* __restrict__ noise, int height, int width, int channels, int points_down,
                            int points_across, T shift, T rotation, T scale, T elastic) {
    __shared__ T points[2][SIDE][SIDE], smooth[2][SIDE][SIDE], down[SIDE][SIDE];
    __shared__ T across[SIDE][SIDE + 1];  // read down a column: one number more a row, and they lie in different banks
    int r = threadIdx.y, c = threadIdx.x, image = blockIdx.x, count = gridDim.x;
    int row = blockIdx.y * SIDE + r, column = blockIdx.z * SIDE + c;
    T bent[2] = {0, 0};
    if (noise) {
        int first_down = blockIdx.y * (SIDE / SPACING) + 1 - BEFORE;
        int first_across = blockIdx.z * (SIDE / SPACING) + 1 - BEFORE;
        int point_down = first_down + r, point_across = first_across + c;
        bool is_point = 0 <= point_down && point_down < points_down;
        is_point = is_point && 0 <= point_across && point_across < points_across;
        for (int d = 0; d < 2; ++d) {
            size_t grid = (size_t(d) * count + image) * points_down * points_across;
            points[d][r][c] = is_point ? noise[grid + point_down * points_across + point_across] : T(0);
        }
        down[r][c] = weight_of<T>(first_down + c, row, points_down);
        across[r][c] = weight_of<T>(first_across + c, blockIdx.z * SIDE + r, points_across);
        __syncthreads();  // points and weights are there
        T sum[2] = {0, 0};
#pragma unroll
        for (int k = 0; k < SIDE; ++k) {
            T weight = down[r][k];
            for (int d = 0; d < 2; ++d) sum[d] += weight * points[d][k][c];
        }
        for (int d = 0; d < 2; ++d) smooth[d][r][c] = sum[d];
        __syncthreads();  // the smooth ones are there
#pragma unroll
        for (int k = 0; k < SIDE; ++k) {
            T weight = across[c][k];
            for (int d = 0; d < 2; ++d) bent[d] += weight * smooth[d][r][k];
        }
    }
    if (row >= height || column >= width) return;

    // Where the pixel comes from, turned and scaled about the centre; the other way round: larger is from closer.
    T angle = between(-rotation, rotation, draws[2 * count + image]) / 180;  // in half turns
    T factor = 1 / between(1 - scale, 1 + scale, draws[3 * count + image]);
    T cosine = factor * cospi(angle), sine = factor * sinpi(angle);
    T middle_y = T(height - 1) / 2, middle_x = T(width - 1) / 2;
    T y = row - middle_y, x = column - middle_x;
    T from_y = cosine * y + sine * x + (between(-shift, shift, draws[image]) + middle_y) + elastic * bent[0];
    T from_x = cosine * x - sine * y + (between(-shift, shift, draws[count + image]) + middle_x) + elastic * bent[1];
    from_y = fmin(fmax(from_y, T(-1)), T(height));  // further out there is nothing either
    from_x = fmin(fmax(from_x, T(-1)), T(width));
    int top = int(floor(from_y)), left = int(floor(from_x));

    size_t start = size_t(image) * height * width;
    for (int channel = 0; channel < channels; ++channel) {
        auto pixel = [&](int i, int j) {
            bool inside = 0 <= i && i < height && 0 <= j && j < width;
            return inside ? images[(start + size_t(i) * width + j) * channels + channel] : T(0);
        };
        T upper = between(pixel(top, left), pixel(top, left + 1), from_x - left);
        T lower = between(pixel(top + 1, left), pixel(top + 1, left + 1), from_x - left);
        moved[(start + size_t(row) * width + column) * channels + channel] = between(upper, lower, from_y - top);
    }
}
