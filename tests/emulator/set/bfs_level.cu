// One level of a breadth-first search: many may reach a node at once.
// launch: level<<<2, 32>>>(seen[10] = 0, next[10] = 0, count[1] = 0, edges[64], 64)
__global__ void level(int* seen, int* next, int* count, const int* edges, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    int node = edges[i];
    if (atomicCAS(&seen[node], 0, 1) == 0) next[atomicAdd(count, 1)] = node;
    //= race @plain: if (seen[node] == 0) { seen[node] = 1; next[atomicAdd(count, 1)] = node; }  //@plain
    //= race @counter: if (atomicCAS(&seen[node], 0, 1) == 0) next[(*count)++] = node;  //@counter
    //= out of bounds @all: atomicExch(&seen[node], 1); next[atomicAdd(count, 1)] = node;  //@all
}
