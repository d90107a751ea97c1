// A small Fourier transform: numbers are structs, handed over and given back.
// launch: fft<<<1, 32>>>(y[64], x[64])
struct cplx { float re, im; };
__device__ cplx operator+(cplx a, cplx b) { return {a.re + b.re, a.im + b.im}; }
__device__ cplx operator-(cplx a, cplx b) { return {a.re - b.re, a.im - b.im}; }
__device__ __noinline__ cplx times(cplx a, cplx b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
__global__ void fft(float2* y, const float2* x) {
    __shared__ cplx s[64];
    for (int h = 0; h < 2; ++h) {
        int i = threadIdx.x + 32 * h, r = __brev(i) >> 26;
        s[r] = {x[i].x, x[i].y};
    }
    for (int half = 1; half < 64; half *= 2) {
        __syncthreads();
        //- race @low
        int k = threadIdx.x % half, low = threadIdx.x / half * 2 * half + k;
        float sn, cs;
        sincospif(-float(k) / half, &sn, &cs);
        cplx b = times({cs, sn}, s[low + half]);  //@low
        //= array index @high: cplx b = times({cs, sn}, s[low + 2 * half]);  //@high
        cplx a = s[low];  //@low
        s[low] = a + b;
        s[low + half] = a - b;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < 64; i += 32) y[i] = make_float2(s[i].re, s[i].im);
}
