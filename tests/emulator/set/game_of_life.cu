// A step of Life on a torus.
// launch: life<<<(2, 2), (16, 16)>>>(next[32, 32], now[32, 32], 32)
__global__ void life(int* next, const int* now, int n) {
    int x = blockIdx.x * 16 + threadIdx.x, y = blockIdx.y * 16 + threadIdx.y, count = 0;
    for (int dy = -1; dy <= 1; ++dy)
        for (int dx = -1; dx <= 1; ++dx)
            if (dx || dy) count += now[(y + dy + n) % n * n + (x + dx + n) % n] & 1;  //@read
            //= out of bounds @read: if (dx || dy) count += now[(y + dy) * n + x + dx] & 1;
            //= out of bounds @read: if (dx || dy) count += now[(y + dy) % n * n + (x + dx) % n] & 1;
    int alive = now[y * n + x] & 1;
    next[y * n + x] = count == 3 || (alive && count == 2);  //@write
}
