// One level of a breadth-first search: whoever finds a neighbour without a level first gives it one. A level is read while
// others try in vain to set it, which changes nothing.
// launch: levels<<<2, 32>>>(level[64] = 0, parent[64] = 0, 64)
__global__ void levels(int* level, int* parent, int n) {
    int i = blockIdx.x * 32 + threadIdx.x;
    if (i >= n / 2 || level[i] != 0) return;
    for (int j = 0; j < 3; ++j) {
        int next = (i + 31 + j) % n;
        if (next >= n / 2 && atomicCAS(&level[next], 0, 1) == 0) parent[next] = i;
        if (next < n / 2) atomicCAS(&level[next], 5, 1);
    }
}
