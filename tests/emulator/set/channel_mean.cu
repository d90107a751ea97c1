// The mean of each channel over pictures: many blocks add to one place.
// launch: mean<<<6, 32>>>(m[3] = 0, x[2, 3, 50], 3, 50, 2)
__global__ void mean(float* m, const float* x, int channels, int size, int count) {
    int channel = blockIdx.x % channels;
    float sum = 0;
    for (int i = threadIdx.x; i < size; i += 32) sum += x[blockIdx.x * size + i];  //@sum
    //= out of bounds @sum: for (int i = threadIdx.x; i < size; i += 32) sum += x[(blockIdx.x + 1) * size + i];
    for (int k = 16; k > 0; k /= 2) sum += __shfl_down_sync(0xffffffffu, sum, k);
    if (threadIdx.x == 0) atomicAdd(&m[channel], sum / (size * count));
    //= race @plain: if (threadIdx.x == 0) m[channel] += sum / (size * count);  //@plain
    //= race @each: m[channel] = sum / (size * count);  //@each
}
