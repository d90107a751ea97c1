// What the kernel itself asserts.
// launch: root<<<1, 40>>>(y[40], x[40], 40)
#include <assert.h>
__global__ void root(float* y, const float* x, int n) {
    int i = threadIdx.x;
    float v = x[i] * x[i];
    //= assert @a: float v = x[i];
    assert(v >= 0);  //@a
    y[i] = sqrtf(v);
    //= out of bounds @far: y[i + n] = sqrtf(v);  //@far
}
