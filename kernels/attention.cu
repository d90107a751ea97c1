// Attention, forward: out = P V, P = softmax(Q Kᵀ / √d + bias), in one kernel, with nothing of size N² in memory.
// Versions 1 and 2, which write S and P out, are in attention_materialised.cu.
//
//   v3  tiles of keys and values pass by in shared memory, and the softmax is carried along
//   v4  one number of padding after a row in shared memory: 32 lanes that read 32 rows meet 32 banks, not one
//   v5  16 bytes at a time, several queries and keys a thread; weights go through shared memory, not by 32 shuffles;
//       scores as powers of two (attention_forward.cuh)
//   v6  (attention_ahead.cu) half a tile ahead: K and V are copied while the block computes
//   v7  (attention_tensor.cu) products by tensor cores, in TF32; v8, in three terms of it
//
// Saved for the backward: lse, the logarithm of each row's Σ exp(score). P is exp(score − lse).
//
// Counted, for a head of ViT-B: N = 197, d = 64, float, no bias:
//
//        requests   sectors moved   turns of shared memory, for conflicts   shuffles and __syncwarp (warps)
//   v3     11,229          44,325        2,672,352    2,395,520                      57,918
//   v4     11,229          44,325          276,832            0                      57,918
//   v5      1,050          15,810           87,088            0                       1,430
//   v7      1,125          15,785           18,656            0
//
// v6 asks for what v5 does, v8 for what v7 does. Different bytes are 202,528 in all: the floor, 4 N d + N numbers. What
// moves is more, since every block reads all keys and values: (2 + 2 ⌈N/R⌉) N d + N numbers with R queries a block, 16
// in v3 and v4, 64 from v5 on. (Turns are those of the loads as written. NVRTC joins four of v3's along a row into one
// of 16 bytes: 800,064.) Powers of two leave v5 2,104 instructions on sm_80, of 2,480.
//
// python -m minivit kernel kernels/attention.cu --profile    counts what this launch asks of memory:
// launch: attention_forward_v5<float, 8, 4, 4, 4><<<1, 128, 16384>>>(out[33, 8], lse[33], qkv[33, 3, 8], null, 33, 0.2)
#include "attention_forward.cuh"

// ---- v3, v4: online softmax -----------------------------------------------------------------------------------------

// A warp owns ROWS queries. In a tile of KEYS keys, lane j first makes the score of key j, then holds the columns j,
// j + 32, … of out: the weight of every key is handed round by a shuffle.
//
// The softmax needs the largest score before its first exp, and it is known only after the last tile. So the largest SO
// FAR is taken, and when a tile brings a larger one, what was summed is multiplied by exp(old − new), as if the new one
// had been known all along (Milakov and Gimelshein, arXiv 1805.02867; Dao et al., arXiv 2205.14135).
template <typename T, int d, int STRIDE, int KEYS, int ROWS>
__device__ __forceinline__ void online_attention(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ qkv,
                                                 const T* __restrict__ bias, int N, T scale) {
    constexpr int COLUMNS = (d + WARP - 1) / WARP;  // of out, a lane
    T* k_tile = reinterpret_cast<T*>(shared_memory);
    T* v_tile = k_tile + KEYS * STRIDE;
    T* q_tile = v_tile + KEYS * STRIDE;
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, block_rows = blockDim.x / WARP * ROWS;
    int block_query = blockIdx.x * block_rows, first_query = block_query + warp * ROWS;
    T maximum[ROWS], sum[ROWS], mix[ROWS][COLUMNS];
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        maximum[r] = LOWEST;
        sum[r] = 0;
#pragma unroll
        for (int k = 0; k < COLUMNS; ++k) mix[r][k] = 0;
    }
    copy_rows<d, STRIDE>(q_tile, head_of_qkv<d>(qkv, QUERY, N), block_query, block_rows, N);
    for (int first_key = 0; first_key < N; first_key += KEYS) {
        __syncthreads();  // all have done with the last tile
        copy_rows<d, STRIDE>(k_tile, head_of_qkv<d>(qkv, KEY, N), first_key, KEYS, N);
        copy_rows<d, STRIDE>(v_tile, head_of_qkv<d>(qkv, VALUE, N), first_key, KEYS, N);
        __syncthreads();  // the new one is there
        bool has_key = lane < KEYS && first_key + lane < N;
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = first_query + r;
            if (query >= N) break;  // the whole warp alike
            T score = LOWEST;
            if (has_key) {
                const T* q = q_tile + (warp * ROWS + r) * STRIDE;
                const T* k = k_tile + lane * STRIDE;  // 32 lanes, 32 rows: the stride decides on the banks
                score = 0;
#pragma unroll 8
                for (int c = 0; c < d; ++c) score += q[c] * k[c];
                score *= scale;
                if (bias) score += bias_of(bias, query, first_key + lane, N, N);
            }
            T new_maximum = largest(maximum[r], warp_max(score));
            T correction = exp(maximum[r] - new_maximum);  // 0 at the first tile: exp(−3e38 − …)
            T weight = has_key ? exp(score - new_maximum) : T(0);
            maximum[r] = new_maximum;
            sum[r] = sum[r] * correction + warp_sum(weight);
#pragma unroll
            for (int k = 0; k < COLUMNS; ++k) mix[r][k] *= correction;
#pragma unroll 8  // all KEYS would make the code long, and slow to compile, for no gain
            for (int j = 0; j < KEYS; ++j) {
                T weight_j = __shfl_sync(ALL_LANES, weight, j);
#pragma unroll
                for (int k = 0; k < COLUMNS; ++k) {
                    int c = lane + k * WARP;
                    if (c < d) mix[r][k] += weight_j * v_tile[j * STRIDE + c];
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        int query = first_query + r;
        if (query >= N) break;
#pragma unroll
        for (int k = 0; k < COLUMNS; ++k) {
            int c = lane + k * WARP;
            if (c < d) head_of_out<d>(out, N).row(query)[c] = mix[r][k] / sum[r];
        }
        if (lane == 0) lse[head_start(N) + query] = maximum[r] + log(sum[r]);
    }
}

template <typename T, int d, int KEYS, int ROWS>
__global__ void attention_forward_v3(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ qkv,
                                     const T* __restrict__ bias, int N, T scale) {
    online_attention<T, d, d, KEYS, ROWS>(out, lse, qkv, bias, N, scale);
}

// An odd stride: 32 lanes that read the same column of 32 rows then meet 32 banks. (Doubles: 16 lanes, twice 16 banks.)
template <typename T, int d, int KEYS, int ROWS>
__global__ void attention_forward_v4(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ qkv,
                                     const T* __restrict__ bias, int N, T scale) {
    online_attention<T, d, d | 1, KEYS, ROWS>(out, lse, qkv, bias, N, scale);
}

// ---- v5: 16 bytes at a time -----------------------------------------------------------------------------------------

// The same steps on a block of queries: see attention_forward.cuh, which cross_attention.cu is made of, too.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_forward_v5(T* __restrict__ out, T* __restrict__ lse, const T* __restrict__ qkv,
                                     const T* __restrict__ bias, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    attend<Block>(head_of_out<d>(out, N), lse + head_start(N), attention_of_qkv<d>(qkv, bias, N, scale));
}
