// Offsets that an int does not hold.
// launch: fill<<<1, 4>>>(y[4], 70000)
__global__ void fill(float* y, int width) {
    long long offset = (long long)threadIdx.x * width * width;
    //= integer overflow @o: long long offset = int(threadIdx.x) * width * width;  //@o
    y[threadIdx.x] = float(offset);
}
