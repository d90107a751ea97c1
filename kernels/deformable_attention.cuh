// What the kernels of deformable attention share: where the arrays lie, and between which cells a sample does.
//
//   value, dvalue          (B, S, H, d)         the S cells of L maps, in reading order, one map after the other
//   locations, dlocations  (B, Q, H, L, P, 2)   x and y of a sample, from 0 to 1 within the map
//   weights, dweights      (B, Q, H, L, P)
//   y, dy                  (B, Q, H, d)
//   levels                 (L, 3)               height and width of each map, and the number of its first cell
//
// d, the width of a head, may be any; version 2 wants whole 16 bytes.
#pragma once
#include "common.cuh"

struct Level {
    int height, width, start;
};

__device__ __forceinline__ Level level_of(const int* levels, int l) {
    return {levels[3 * l], levels[3 * l + 1], levels[3 * l + 2]};
}

// A sample on its map: the upper left of its four cells, in row −1 … height − 1 and column −1 … width − 1, and how far
// it lies below and to the right of that cell's centre. The four are corner 0, 1, 2, 3, in reading order.
template <typename T>
struct Place {
    int row, column;
    T down, across;
    bool touches;  // false where none of the four is on the map; NaN is nowhere

    __device__ __forceinline__ bool has(int corner, Level level) const {
        int i = row + corner / 2, j = column + corner % 2;
        return i >= 0 && i < level.height && j >= 0 && j < level.width;
    }
    __device__ __forceinline__ int cell(int corner, Level level) const {
        return level.start + (row + corner / 2) * level.width + column + corner % 2;
    }
    __device__ __forceinline__ T rows_share(int corner) const { return corner / 2 ? down : T(1) - down; }
    __device__ __forceinline__ T columns_share(int corner) const { return corner % 2 ? across : T(1) - across; }
    __device__ __forceinline__ T share(int corner) const { return rows_share(corner) * columns_share(corner); }
};

// location: of one sample, x before y. A cell's centre is half a cell from its edge.
template <typename T>
__device__ __forceinline__ Place<T> place_of(const T* location, Level level) {
    T x = location[0] * level.width - T(0.5), y = location[1] * level.height - T(0.5);
    if (!(x >= T(-1) && x < T(level.width) && y >= T(-1) && y < T(level.height))) return {0, 0, 0, 0, false};
    T column = floor(x), row = floor(y);
    return {int(row), int(column), y - row, x - column, true};
}

// Where a head's cells lie: row s has the d numbers of cell s.
template <typename T>
struct Cells {
    T* start;
    size_t stride;
    __device__ __forceinline__ T* row(int cell) const { return start + cell * stride; }
};

// head: its number among all, ((b · Q) + q) · H + h, as y has them.
template <typename T>
__device__ __forceinline__ Cells<T> cells_of(T* value, size_t head, int S, int Q, int H, int d) {
    size_t b = head / (size_t(Q) * H), h = head % H;
    return {value + (b * S * H + h) * d, size_t(H) * d};
}
