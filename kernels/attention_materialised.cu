// Attention as the formulas stand: the score matrix of every head, N² numbers, goes through memory several times.
// Versions 1 and 2 of the forward and version 1 of the backward; those that hold nothing of size N² are in attention.cu
// and attention_backward.cu. minivit/ops/attention.py derives the formulas.
//
//   forward   out = P V,   P = softmax(S),   S = Q Kᵀ / √d + bias
//     v1  three kernels: a thread an element of S, a warp a row of P, a thread an element of out
//     v2  S and out in squares whose inputs are first copied to shared memory: read once a square, not once a thread
//   backward
//     v1  dP = dout Vᵀ,   dS = P (dP − Σ_j P dP),   dV = Pᵀ dout,   dQ = dS K / √d,   dK = dSᵀ Q / √d,   dbias = Σ_B dS
//
// Counted, for a head of ViT-B: N = 197, d = 64, float, no bias. (v3 to v5 are told in attention.cu.)
//
//                  requests   sectors moved   different bytes   turns of shared memory, of them for bank conflicts
//   forward v1      319,199       2,998,563           823,584
//           v2       29,367         128,957           823,584     973,440    605,696
//           v5        1,050          15,810           202,528      87,088          0
//   backward v1     787,952       6,357,349         1,591,968
//            v3       5,100          59,712           659,616     455,336          0
//
// A request is one warp's one load or store, a sector 32 bytes. Different bytes are what must come from memory if the
// cache forgets nothing: here Q, K, V and out, 4 N d numbers, and S or P four times, 4 N². Fusing the three kernels
// spares the N²: a factor of four at this length, not orders of magnitude.
//
// python -m minivit kernel kernels/attention_materialised.cu --profile    counts what this launch asks of memory:
// launch: attention_scores_v2<float, 12><<<9, (16, 16)>>>(scores[33, 33], qkv[33, 3, 12], null, 33, 0.29)
#include "attention.cuh"

// ---- forward v1 -----------------------------------------------------------------------------------------------------

// S = Q Kᵀ / √d + bias, a thread an element. Lanes are neighbouring keys: each reads a row of K of its own, so that the
// warp's 32 numbers lie in 32 sectors, and of each sector's 32 bytes only 4 are used at a time.
template <typename T, int d>
__global__ void attention_scores_v1(T* __restrict__ scores, const T* __restrict__ qkv, const T* __restrict__ bias,
                                    int N, T scale) {
    size_t element = thread_number();
    if (element >= size_t(N) * N) return;
    int i = element / N, j = element % N;
    const T* q = head_of_qkv<d>(qkv, QUERY, N).row(i);
    const T* k = head_of_qkv<d>(qkv, KEY, N).row(j);
    T score = 0;
    for (int c = 0; c < d; ++c) score += q[c] * k[c];
    score *= scale;
    if (bias) score += bias_of(bias, i, j, N, N);
    scores[head_start(N) * N + element] = score;
}

// P = softmax(S), in place, and lse: a warp a row. The largest score is taken away first, or exp would overflow.
template <typename T>
__global__ void attention_softmax_v1(T* __restrict__ weights, T* __restrict__ lse, int N) {
    int row = warp_number(), lane = threadIdx.x % WARP;
    if (row >= N) return;
    T* p = weights + (head_start(N) + row) * N;
    T maximum = LOWEST, sum = 0;
    for (int j = lane; j < N; j += WARP) maximum = largest(maximum, p[j]);
    maximum = warp_max(maximum);
    for (int j = lane; j < N; j += WARP) {
        p[j] = exp(p[j] - maximum);  // read back below, by this lane alone
        sum += p[j];
    }
    sum = warp_sum(sum);
    for (int j = lane; j < N; j += WARP) p[j] /= sum;
    if (lane == 0) lse[head_start(N) + row] = maximum + log(sum);
}

// out = P V, a thread an element. Lanes are neighbouring columns of V: whole sectors.
template <typename T, int d>
__global__ void attention_mix_v1(T* __restrict__ out, const T* __restrict__ weights, const T* __restrict__ qkv, int N) {
    size_t element = thread_number();
    if (element >= size_t(N) * d) return;
    int i = element / d, c = element % d;
    Head<const T> v = head_of_qkv<d>(qkv, VALUE, N);
    const T* p = weights + (head_start(N) + i) * N;
    T sum = 0;
    for (int j = 0; j < N; ++j) sum += p[j] * v.row(j)[c];
    head_of_out<d>(out, N).row(i)[c] = sum;
}

// ---- forward v2: squares in shared memory ---------------------------------------------------------------------------

constexpr int SIDE = 16;  // a block is SIDE × SIDE threads and makes a square of as many elements

// The square's rows of Q and K come in SIDE columns at a time; then every number of them serves SIDE threads.
// k_tile[x][c] is read down a column, SIDE numbers apart: lanes share two banks, and wait for one another.
template <typename T, int d>
__global__ void attention_scores_v2(T* __restrict__ scores, const T* __restrict__ qkv, const T* __restrict__ bias,
                                    int N, T scale) {
    __shared__ T q_tile[SIDE][SIDE], k_tile[SIDE][SIDE];
    int squares = (N + SIDE - 1) / SIDE, x = threadIdx.x, y = threadIdx.y;
    int first_query = blockIdx.x / squares * SIDE, first_key = blockIdx.x % squares * SIDE;
    Head<const T> q = head_of_qkv<d>(qkv, QUERY, N), k = head_of_qkv<d>(qkv, KEY, N);
    T score = 0;
    for (int first = 0; first < d; first += SIDE) {
        bool inside = first + x < d;
        q_tile[y][x] = inside && first_query + y < N ? q.row(first_query + y)[first + x] : T(0);
        k_tile[y][x] = inside && first_key + y < N ? k.row(first_key + y)[first + x] : T(0);
        __syncthreads();  // the tile is there
        for (int c = 0; c < SIDE; ++c) score += q_tile[y][c] * k_tile[x][c];
        __syncthreads();  // nobody reads it any more: the next may overwrite it
    }
    int i = first_query + y, j = first_key + x;
    if (i >= N || j >= N) return;
    score *= scale;
    if (bias) score += bias_of(bias, i, j, N, N);
    scores[(head_start(N) + i) * N + j] = score;
}

template <typename T, int d>
__global__ void attention_mix_v2(T* __restrict__ out, const T* __restrict__ weights, const T* __restrict__ qkv, int N) {
    __shared__ T p_tile[SIDE][SIDE], v_tile[SIDE][SIDE];
    int squares = (d + SIDE - 1) / SIDE, x = threadIdx.x, y = threadIdx.y;
    int i = blockIdx.x / squares * SIDE + y, c = blockIdx.x % squares * SIDE + x;
    Head<const T> v = head_of_qkv<d>(qkv, VALUE, N);
    const T* p = weights + (head_start(N) + i) * N;
    T sum = 0;
    for (int first = 0; first < N; first += SIDE) {
        p_tile[y][x] = i < N && first + x < N ? p[first + x] : T(0);
        v_tile[y][x] = c < d && first + y < N ? v.row(first + y)[c] : T(0);
        __syncthreads();
        for (int j = 0; j < SIDE; ++j) sum += p_tile[y][j] * v_tile[j][x];
        __syncthreads();
    }
    if (i < N && c < d) head_of_out<d>(out, N).row(i)[c] = sum;
}

// ---- backward v1 ----------------------------------------------------------------------------------------------------

// P, found again from the saved lse, and dP = dout Vᵀ, a thread an element.
template <typename T, int d>
__global__ void attention_backward_scores_v1(T* __restrict__ weights, T* __restrict__ dweights,
                                             const T* __restrict__ qkv, const T* __restrict__ bias,
                                             const T* __restrict__ lse, const T* __restrict__ dout, int N, T scale) {
    size_t element = thread_number();
    if (element >= size_t(N) * N) return;
    int i = element / N, j = element % N;
    const T* q = head_of_qkv<d>(qkv, QUERY, N).row(i);
    const T* k = head_of_qkv<d>(qkv, KEY, N).row(j);
    const T* v = head_of_qkv<d>(qkv, VALUE, N).row(j);
    const T* dy = head_of_out<d>(dout, N).row(i);
    T score = 0, dweight = 0;
    for (int c = 0; c < d; ++c) {
        score += q[c] * k[c];
        dweight += dy[c] * v[c];
    }
    score *= scale;
    if (bias) score += bias_of(bias, i, j, N, N);
    weights[head_start(N) * N + element] = exp(score - lse[head_start(N) + i]);
    dweights[head_start(N) * N + element] = dweight;
}

// dS = P (dP − Σ_j P dP), in place of dP: a warp a row.
template <typename T>
__global__ void attention_backward_softmax_v1(T* __restrict__ dscores, const T* __restrict__ weights, int N) {
    int row = warp_number(), lane = threadIdx.x % WARP;
    if (row >= N) return;
    T* ds = dscores + (head_start(N) + row) * N;
    const T* p = weights + (head_start(N) + row) * N;
    T sum = 0;
    for (int j = lane; j < N; j += WARP) sum += p[j] * ds[j];
    sum = warp_sum(sum);
    for (int j = lane; j < N; j += WARP) ds[j] = p[j] * (ds[j] - sum);
}

// dQ = dS K / √d, dK = dSᵀ Q / √d, dV = Pᵀ dout, a thread an element of the three.
template <typename T, int d>
__global__ void attention_backward_products_v1(T* __restrict__ dqkv, const T* __restrict__ weights,
                                               const T* __restrict__ dscores, const T* __restrict__ qkv,
                                               const T* __restrict__ dout, int N, T scale) {
    size_t element = thread_number();
    if (element >= size_t(3) * N * d) return;
    int part = element / (size_t(N) * d), row = element / d % N, c = element % d;
    Head<const T> other = part == VALUE ? head_of_out<d>(dout, N) : head_of_qkv<d>(qkv, part == QUERY ? KEY : QUERY, N);
    const T* square = (part == VALUE ? weights : dscores) + head_start(N) * N;
    size_t start = part == QUERY ? size_t(row) * N : row, step = part == QUERY ? 1 : N;  // its row, or its column
    T sum = 0;
    for (int j = 0; j < N; ++j) sum += square[start + j * step] * other.row(j)[c];
    head_of_qkv<d>(dqkv, part, N).row(row)[c] = part == VALUE ? sum : sum * scale;
}

// dbias = Σ_B dS, a thread an element; the images one after another, so that the sum is the same in every run.
template <typename T>
__global__ void attention_backward_bias_v1(T* __restrict__ dbias, const T* __restrict__ dscores, int B, int N) {
    size_t element = thread_number(), square = size_t(N) * N;
    if (element >= square) return;
    T sum = 0;
    for (int b = 0; b < B; ++b) sum += dscores[head_start(N, b) * N + element];
    dbias[blockIdx.y * square + element] = sum;
}
