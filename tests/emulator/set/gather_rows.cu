// An embedding: a row of the table for each word.
// launch: gather<<<12, 32>>>(y[12, 40], table[10, 40], words[12], 40)
__global__ void gather(float* y, const float* table, const int* words, int width) {
    int word = words[blockIdx.x];
    //= out of bounds @copy: int word = words[blockIdx.x] + 1;
    //= out of bounds @words: int word = words[blockIdx.x + 1];  //@words
    for (int c = threadIdx.x; c < width; c += blockDim.x)
    //= out of bounds @copy: for (int c = threadIdx.x; c < 2 * width; c += blockDim.x)
        y[blockIdx.x * width + c] = table[word * width + c];  //@copy
        //= race @copy: y[c] = table[word * width + c];
}
