// A quotient of whole numbers, some of them nought.
// launch: divide<<<1, 50>>>(y[50], a[50], b[50], 50)
__global__ void divide(int* y, const int* a, const int* b, int n) {
    int i = threadIdx.x;
    y[i] = b[i] ? a[i] / b[i] : 0;  //@d
    //= division by zero @d: y[i] = a[i] / b[i];
    //= division by zero @d: y[i] = b[i] ? a[i] / b[i] : a[i] % b[i];
}
