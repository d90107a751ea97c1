// Small kernels that together use most of the language. test_ptx.py runs each from source and from PTX and compares.
// Results of one thread lie n apart: y[0 * n + i], y[1 * n + i], …

constexpr unsigned ALL = 0xffffffffu;

template <typename T>
struct Row {  // puts one result after the other
    T* y;
    int n;
    __device__ void operator()(T value) {
        *y = value;
        y += n;
    }
};

#define START                                          \
    int i = blockIdx.x * blockDim.x + threadIdx.x;     \
    if (i >= n) return;

// ---- whole numbers ----
template <typename T>
__global__ void integers(T* y, const T* a, const T* b, int n) {
    START
    Row<T> put{y + i, n};
    T p = a[i], q = b[i];
    put(p + q), put(p - q), put(p * q), put(q == 0 ? 0 : p / (q == T(-1) ? T(1) : q)), put(q == 0 ? 0 : p % (q == T(-1) ? T(1) : q));
    put(p & q), put(p | q), put(p ^ q), put(~p), put(-p), put(p << 3), put(p >> 2), put(p < q ? p : q), put(p > q ? p : q);
    put(p == q), put(p != q), put(p <= q), put(p >= q), put(p * 7 + q), put(p ? q : 5), put(T(p << (q & 7))), put(T(p >> (q & 7)));
    put(p / 7), put(p % 10), put(p / 8), put((p & 1) ? p : q), put(T((p >> 3) & 31));
}

__global__ void bits(int* y, const int* a, const int* b, int n) {
    START
    Row<int> put{y + i, n};
    int p = a[i], q = b[i];
    long long wide = (long long)p << 32 ^ q;
    put(__popc(p)), put(__clz(p)), put(__ffs(p)), put(__brev(p)), put(__popcll(wide)), put(__clzll(wide)), put(__ffsll(wide));
    put(__mulhi(p, q)), put(__umulhi(p, q)), put(int(wide >> 17)), put(int((unsigned long long)wide >> 40));
    put(int(((long long)p * q) >> 11)), put(int(((unsigned long long)unsigned(p) * unsigned(q)) >> 33));
}

// ---- conversions ----
template <typename T>
__global__ void conversions(double* y, const T* x, int n) {
    START
    Row<double> put{y + i, n};
    T v = x[i];
    put(int(v)), put((long long)(v)), put(unsigned(v < 0 ? -v : v)), put((unsigned char)(int(v))), put(short(int(v))), put((signed char)(int(v)));
    put(float(v)), put(float(int(v) * 16777213)), put(float((long long)(v) * 1234567890123ll)), put(double((long long)(v) * 98765432101234ll));
    put(float(unsigned(int(v)))), put(double((unsigned long long)((long long)(v)))), put(v > T(1)), put(bool(v));
    put(floor(v)), put(ceil(v)), put(trunc(v)), put(rint(v)), put(round(v)), put(fabs(v)), put(-v);
}

template <typename T>
__global__ void comparisons(int* y, const T* a, const T* b, int n) {  // NaN among them
    START
    Row<int> put{y + i, n};
    T p = a[i], q = b[i];
    put(p < q), put(p <= q), put(p > q), put(p >= q), put(p == q), put(p != q), put(!(p < q)), put(!(p >= q)), put(!(p == q));
    put(isnan(p)), put(isinf(p)), put(isfinite(p)), put(p < q && q < T(1)), put(p > q || p == T(0)), put(!(p < q) != (q > T(2)));
    put(fmin(p, q) == p), put(fmax(p, q) == p), put(copysign(p, q) == p), put(signbit(p) != 0);
}

// ---- functions ----
template <typename T>
__global__ void mathematics(T* y, const T* a, const T* b, int n) {
    START
    Row<T> put{y + i, n};
    T p = a[i], q = b[i];
    put(exp(p)), put(log(fabs(p))), put(erf(p)), put(tanh(p)), put(sqrt(fabs(p))), put(rsqrt(fabs(p))), put(sin(p)), put(cos(p));
    put(p / q), put(T(1) / q), put(fma(p, q, p)), put(expm1(p)), put(log1p(fabs(p))), put(cbrt(p)), put(atan2(p, q)), put(exp2(p));
    put(log2(fabs(p))), put(pow(fabs(p), q)), put(fmod(p, q)), put(hypot(p, q)), put(erfc(p)), put(sinh(p)), put(tan(p)), put(acos(p / T(100)));
}

// ---- warps and blocks ----
__global__ void shuffles(int* y, const int* x, int n) {
    START
    Row<int> put{y + i, n};
    int v = x[i], lane = threadIdx.x & 31;
    put(__shfl_sync(ALL, v, 5)), put(__shfl_sync(ALL, v, lane * 7)), put(__shfl_xor_sync(ALL, v, 1)), put(__shfl_xor_sync(ALL, v, 16));
    put(__shfl_up_sync(ALL, v, 3)), put(__shfl_down_sync(ALL, v, 9)), put(__shfl_sync(ALL, v, 3, 8)), put(__shfl_up_sync(ALL, v, 2, 4));
    put(__shfl_down_sync(ALL, v, 5, 16)), put(__shfl_xor_sync(ALL, v, 6, 8)), put(int(__shfl_xor_sync(ALL, v * 4294967311ll, 2) >> 16));
    put(int(__shfl_down_sync(ALL, v * 0.5, 1) * 2)), put(int(__shfl_up_sync(ALL, v * 0.5f, 7) * 4));
    put(lane < 16 ? __shfl_xor_sync(0xffffu, v, 3) : __shfl_xor_sync(0xffff0000u, v, 5));
}

__global__ void votes(unsigned* y, const int* x, int n) {
    START
    Row<unsigned> put{y + i, n};
    int v = x[i];
    put(__ballot_sync(ALL, v > 0)), put(__any_sync(ALL, v == 7)), put(__all_sync(ALL, v > -1000)), put(__all_sync(ALL, v > 0));
    put(__match_any_sync(ALL, v & 3)), put(__activemask());
    unsigned odd = __ballot_sync(ALL, v & 1);
    if (v & 1) put(__ballot_sync(odd, v > 3)), put(__popc(__match_any_sync(odd, v % 5)));
    else put(0), put(1);
    put(__syncthreads_count(v > 2)), put(__syncthreads_and(v != 12345678)), put(__syncthreads_or(v == 3));
}

__global__ void atomics(int* y, const int* x, int n, float* f, double* d, unsigned long long* big) {
    __shared__ int shared_sum;
    __shared__ unsigned turns;
    if (threadIdx.x == 0) shared_sum = 0, turns = 0;
    __syncthreads();
    START
    int v = x[i];
    atomicAdd(&y[0], v), atomicMax(&y[1], v), atomicMin(&y[2], v), atomicAnd(&y[3], v), atomicOr(&y[4], v), atomicXor(&y[5], v);
    atomicAdd(&shared_sum, v), atomicInc(&turns, 5u), atomicDec((unsigned*)&y[6], 9u), atomicSub(&y[7], v);
    atomicAdd(f, float(v)), atomicAdd(d, v * 0.25), atomicAdd(big, (unsigned long long)(v) << 20), atomicMax(big + 1, (unsigned long long)(v + 1000));
    if (atomicCAS(&y[8], 0, 77) == 0) atomicAdd(&y[9], 1);
    if (atomicExch(&y[10], 1) == 0) y[11] = 42;
    __syncthreads();
    if (threadIdx.x == 0) y[12 + blockIdx.x] = shared_sum * 10 + int(turns);
}

extern __shared__ __align__(16) unsigned char dynamic[];

template <typename T>
__device__ T sum_of(const T* values, int count) {  // a generic address: shared or global memory
    T sum = 0;
    for (int k = 0; k < count; ++k) sum += values[k];
    return sum;
}

template <typename T>
__global__ void blocks(T* y, const T* x, int n) {
    __shared__ T tile[64];
    T* copy = reinterpret_cast<T*>(dynamic);
    int t = threadIdx.x, i = blockIdx.x * 64 + t;
    tile[t] = i < n ? x[i] : T(0);
    copy[63 - t] = tile[t] * T(2);
    __syncthreads();
    T rotated = copy[(t + 5) % 64];
    for (int step = 32; step > 0; step /= 2) {
        if (t < step) tile[t] += tile[t + step];
        __syncthreads();
    }
    if (i < n) y[i] = rotated + tile[0] + sum_of(t % 2 ? copy : x, 3);
}

// ---- memory ----
__global__ void vectors(float4* y, const float4* x, int2* z, const int2* w, double2* d, uchar4* u, int n) {
    START
    float4 v = x[i];
    y[i] = make_float4(v.w, v.z, v.y, v.x);
    z[i] = make_int2(w[i].y, w[i].x + 1);
    d[i] = make_double2(v.x, v.y);
    uchar4 c = u[i];
    u[i] = make_uchar4(c.w, c.x + 1, c.y * 3, c.z);
}

__global__ void local_arrays(int* y, const int* x, int n) {  // indices known only at run time: local memory
    START
    int sorted[8];
    for (int k = 0; k < 8; ++k) sorted[k] = x[(i * 8 + k) % n];
    for (int k = 1; k < 8; ++k)
        for (int j = k; j > 0 && sorted[j] < sorted[j - 1]; --j) {
            int other = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = other;
        }
    for (int k = 0; k < 8; ++k) y[k * n + i] = sorted[(k + x[i] % 8 + 8) % 8];
}

__global__ void far_indices(int* y, const int* x, int n) {  // offsets beyond 32 bits, there and back
    START
    size_t far = size_t(i) * 3000000000ull;
    const int* from = x + far;
    y[i] = from[i - (long long)(far)] + int(far >> 33);
}

struct Pair {
    int first;
    double second;
};
__constant__ float powers[6] = {1.0f, 0.5f, 0.25f, 0.125f, 0.0625f, 0.03125f};
__constant__ double precise[3] = {3.141592653589793, -2.718281828459045, 1e300};
__constant__ Pair pairs[2] = {{3, 0.1}, {-4, 0.2}};
__device__ int counted[4];

__noinline__ __device__ int fibonacci(int k) { return k < 2 ? k : fibonacci(k - 1) + fibonacci(k - 2); }
__noinline__ __device__ Pair swapped(Pair p, int* calls) {
    *calls += 1;
    return Pair{int(p.second), double(p.first)};
}
__noinline__ __device__ double poly(double x, const double* coefficients, int count) {
    double sum = 0;
    for (int k = count; k-- > 0;) sum = fma(sum, x, coefficients[k]);  // NVRTC would make an fma of *, +
    return sum;
}
__global__ void functions(double* y, const double* x, int n) {
    START
    Row<double> put{y + i, n};
    int calls = 0;
    double coefficients[3] = {x[i], 1.5, -2};
    Pair p = swapped(Pair{i, x[i] * 100}, &calls);
    put(fibonacci(i % 12)), put(p.first), put(p.second), put(calls), put(poly(x[i], coefficients, 2 + i % 2));
    put(powers[i % 6]), put(precise[i % 3]), put(pairs[i % 2].first * pairs[(i + 1) % 2].second);
    atomicAdd(&counted[i % 4], 1);
}

__global__ void switches(int* y, const int* x, int n) {
    START
    int v = x[i] & 15, result = 0;
    for (int k = 0; k < 40; ++k) {
        switch (v) {
            case 0: result += 3; v = 5; break;
            case 1: result ^= 0x55; v = 9; break;
            case 2: result = result * 3 + 1; v = 7; break;
            case 3: result -= 11; v = 12; break;
            case 4: result |= 64; v = 2; break;
            case 5: result += k; v = 11; break;
            case 6: result = ~result; v = 3; break;
            case 7: result <<= 1; v = 14; break;
            case 8: result += 1000; v = 1; break;
            case 9: result %= 977; v = 4; break;
            case 10: v = 13; continue;
            case 11: result += v; v = 6; break;
            case 12: result = -result; v = 8; break;
            case 13: result /= 3; v = 0; break;
            case 14: result += 2 * k; v = 10; break;
            default: y[i] = result; return;
        }
        if (result > 1 << 20) break;
    }
    y[i] = result;
}
