// A matrix as rows of a fixed length: pointers to arrays.
// launch: diagonal<<<1, 16>>>(y[16], x[16, 16])
__global__ void diagonal(float* y, const float* x) {
    const float(*rows)[16] = reinterpret_cast<const float(*)[16]>(x);
    int i = threadIdx.x;
    y[i] = rows[i][i];  //@y
    //= out of bounds @y: y[i] = rows[i + 1][i];
    //= race @y: y[i & 7] = rows[i][i];
}
