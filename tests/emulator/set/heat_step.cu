// One step of the heat equation on a plate, from one array to another.
// launch: step<<<(3, 5), (16, 8)>>>(next[40, 40] = 0, now[40, 40], 40, 0.2f)
__global__ void step(float* next, const float* now, int n, float rate) {
    int x = blockIdx.x * blockDim.x + threadIdx.x, y = blockIdx.y * blockDim.y + threadIdx.y;
    if (x < 1 || y < 1 || x >= n - 1 || y >= n - 1) return;
    //= out of bounds @write: if (x < 1 || y < 1 || x >= n - 1 || y >= n) return;
    //= out of bounds @write: if (x < 1 || x >= n - 1 || y >= n - 1) return;
    int i = y * n + x;
    //= race @write: int i = y * n + x / 2;
    next[i] = now[i] + rate * (now[i - 1] + now[i + 1] + now[i - n] + now[i + n] - 4 * now[i]);  //@write
}
