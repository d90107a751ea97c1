// Patches: images (B, height, width, C) <-> patches (B, N, Ph·Pw·C), as minivit/ops/patches.py cuts them. Every number
// goes to exactly one place, so the backward is the same map read the other way.
//
// A thread an element, a block 256 neighbouring elements of what is WRITTEN: so the stores are dense, and the loads are
// as dense as the patches allow. A patch is Ph runs of Pw·C numbers that lie together in the image, and a load touches
// a sector more for each run that does not begin at a multiple of 32 bytes. Counted in floats: 4.0 sectors a load for
// the 4 it needs with patches of 16×16×3 (a run is 6 sectors), 8.5 and, backward, 7.4 with MNIST's 7×7 (28 bytes); the
// same sectors are wanted by the next warps, and come from the cache.
//
// The grid is (images, tiles of an image).
//
// python -m minivit kernel kernels/patchify.cu --profile    counts what this launch asks of memory:
// launch: patchify_forward<float><<<(3, 2), 256>>>(patches[3, 6, 72], images[3, 8, 18, 3], 8, 18, 3, 4, 6)
#include "common.cuh"

template <typename T>
__global__ void patchify_forward(T* __restrict__ patches, const T* __restrict__ images, int height, int width,
                                 int channels, int patch_height, int patch_width) {
    int run = patch_width * channels, image_row = width * channels;  // numbers that lie together
    int i = blockIdx.y * blockDim.x + threadIdx.x;                   // the element of this image's patches
    if (i >= height * image_row) return;
    int r = i / run;  // which run: they are ordered (patch row, patch column, row in the patch)
    int y = r % patch_height;
    int patch = r / patch_height;
    int patches_across = width / patch_width;
    int patch_row = patch / patches_across, patch_column = patch % patches_across;

    size_t image = size_t(blockIdx.x) * height * image_row;
    patches[image + i] = images[image + (patch_row * patch_height + y) * image_row + patch_column * run + i % run];
}

template <typename T>
__global__ void patchify_backward(T* __restrict__ dimages, const T* __restrict__ dpatches, int height, int width,
                                  int channels, int patch_height, int patch_width) {
    int run = patch_width * channels, image_row = width * channels;
    int i = blockIdx.y * blockDim.x + threadIdx.x;  // the element of this image
    if (i >= height * image_row) return;
    int row = i / image_row, column = i % image_row;
    int patch_row = row / patch_height, y = row % patch_height, patch_column = column / run;
    int patches_across = width / patch_width;
    int patch = patch_row * patches_across + patch_column;

    size_t image = size_t(blockIdx.x) * height * image_row;
    dimages[image + i] = dpatches[image + (patch * patch_height + y) * run + column % run];
}
