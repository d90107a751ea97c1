// Life in place, which no barrier can save: neighbours are in other blocks.
// launch: life<<<4, 32>>>(cells[128] = 1, next[128])
__global__ void life(int* cells, int* next) {
    int i = blockIdx.x * 32 + threadIdx.x, n = 128;
    int count = cells[(i + n - 1) % n] + cells[(i + 1) % n];  //@read
    next[i] = count == 1;
    //= race @read: next[i] = cells[i] = count == 1;
}
