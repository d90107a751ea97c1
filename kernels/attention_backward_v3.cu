// Attention, backward, version 3: the kernels of attention_backward.cu, which says why there are so many, with 16-byte
// loads and stores and several rows and columns a thread. attention_tiles.cuh tells which thread has which.
//
// python -m minivit kernel kernels/attention_backward_v3.cu --profile    counts what this launch asks of memory:
// launch: attention_backward_delta_v3<float, 24><<<3, 128>>>(delta[33], out[33, 24], dout[33, 24], 33)
#include "attention_tiles.cuh"

// delta, 8 lanes a row.
template <typename T, int d>
__global__ void attention_backward_delta_v3(T* __restrict__ delta, const T* __restrict__ out,
                                            const T* __restrict__ dout, int N) {
    int row = thread_number() / ROW_LANES, lane = threadIdx.x % ROW_LANES;
    const T *y = head_of_out<d>(out, N).row(row), *dy = head_of_out<d>(dout, N).row(row);
    T sum = 0;
    if (row < N) {
        for (int c = lane * Vec<T>::SIZE; c < d; c += ROW_LANES * Vec<T>::SIZE) {
            Vec<T> a = load_vec(y + c), b = load_vec(dy + c);
#pragma unroll
            for (int e = 0; e < Vec<T>::SIZE; ++e) sum += a.at[e] * b.at[e];
        }
    }
    sum = row_sum(sum);  // a shuffle: the lanes past the end take part
    if (row < N && lane == 0) delta[head_start(N) + row] = sum;
}

// dK and dV of the block's keys: the rows of Sᵀ. Queries are its columns. Q comes in times 1/√d, as S and dK want it.
template <typename T, int d, int WARPS, int ROWS, int QUERIES>
__global__ void attention_backward_keys_v3(T* __restrict__ dqkv, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, QUERIES>;
    T* k_tile = reinterpret_cast<T*>(shared_memory);
    T* v_tile = k_tile + Block::ROW_TILE;
    T* q_tile = v_tile + Block::ROW_TILE;
    T* dout_tile = q_tile + Block::COLUMN_TILE;
    T* weights = dout_tile + Block::COLUMN_TILE;
    int block_key = blockIdx.x * Block::BLOCK_ROWS, first_key = block_key + Block::first_row();
    const T *head_lse = lse + head_start(N), *head_delta = delta + head_start(N);
    typename Block::Sums dk = {}, dv = {};
    Block::template copy<Block::BLOCK_ROWS>(k_tile, head_of_qkv<d>(qkv, KEY, N), block_key, N);
    Block::template copy<Block::BLOCK_ROWS>(v_tile, head_of_qkv<d>(qkv, VALUE, N), block_key, N);
    for (int first_query = 0; first_query < N; first_query += Block::BLOCK_COLUMNS) {
        __syncthreads();  // all have done with the last tile
        Block::template copy<Block::BLOCK_COLUMNS>(q_tile, head_of_qkv<d>(qkv, QUERY, N), first_query, N, scale);
        Block::template copy<Block::BLOCK_COLUMNS>(dout_tile, head_of_out<d>(dout, N), first_query, N);
        __syncthreads();  // the new one is there
        if (!Block::warp_has_rows(block_key, N)) continue;
        typename Block::Scores p, ds;
        Block::products(p, k_tile, q_tile);
        Block::products(ds, v_tile, dout_tile);  // dP, as yet
#pragma unroll
        for (int k = 0; k < QUERIES; ++k) {
            int query = first_query + Block::lane_in_row() + k * ROW_LANES;
            T query_lse = query < N ? head_lse[query] : T(0), query_delta = query < N ? head_delta[query] : T(0);
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                int key = first_key + r * ROW_GROUPS;
                bool inside = query < N && key < N;
                if (bias && inside) p[r][k] += bias_of(bias, query, key, N);
                p[r][k] = inside ? exp(p[r][k] - query_lse) : T(0);
                ds[r][k] = p[r][k] * (ds[r][k] - query_delta);
            }
        }
        Block::share(weights, p);
        Block::add_mix(dv, weights, dout_tile);
        Block::share(weights, ds);
        Block::add_mix(dk, weights, q_tile);
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        int key = first_key + r * ROW_GROUPS;
        if (key >= N) continue;
        Block::store(head_of_qkv<d>(dqkv, KEY, N).row(key), dk, r);
        Block::store(head_of_qkv<d>(dqkv, VALUE, N).row(key), dv, r);
    }
}

// dS of the block's queries, its rows, with the tile's keys, its columns: dQ and dbias both begin so.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
struct ScoreGradients {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    T lse[ROWS], delta[ROWS];  // of the thread's queries

    __device__ __forceinline__ void load(const T* head_lse, const T* head_delta, int first_query, int N) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = first_query + r * ROW_GROUPS;
            lse[r] = query < N ? head_lse[query] : T(0);
            delta[r] = query < N ? head_delta[query] : T(0);
        }
    }

    __device__ __forceinline__ void make(typename Block::Scores& ds, const T* q_tile, const T* dout_tile,
                                         const T* k_tile, const T* v_tile, const T* bias, int first_query,
                                         int first_key, int N) const {
        typename Block::Scores scores;
        Block::products(scores, q_tile, k_tile);
        Block::products(ds, dout_tile, v_tile);  // dP, as yet
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = first_query + r * ROW_GROUPS;
#pragma unroll
            for (int k = 0; k < KEYS; ++k) {
                int key = first_key + Block::lane_in_row() + k * ROW_LANES;
                bool inside = query < N && key < N;
                if (bias && inside) scores[r][k] += bias_of(bias, query, key, N);
                T p = inside ? exp(scores[r][k] - lse[r]) : T(0);
                ds[r][k] = p * (ds[r][k] - delta[r]);
            }
        }
    }
};

// dQ of the block's queries.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_backward_queries_v3(T* __restrict__ dqkv, const T* __restrict__ qkv,
                                              const T* __restrict__ bias, const T* __restrict__ dout,
                                              const T* __restrict__ lse, const T* __restrict__ delta, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* dout_tile = q_tile + Block::ROW_TILE;
    T* k_tile = dout_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    T* weights = v_tile + Block::COLUMN_TILE;
    int block_query = blockIdx.x * Block::BLOCK_ROWS, first_query = block_query + Block::first_row();
    ScoreGradients<T, d, WARPS, ROWS, KEYS> gradients;
    gradients.load(lse + head_start(N), delta + head_start(N), first_query, N);
    typename Block::Sums dq = {};
    Block::template copy<Block::BLOCK_ROWS>(q_tile, head_of_qkv<d>(qkv, QUERY, N), block_query, N, scale);
    Block::template copy<Block::BLOCK_ROWS>(dout_tile, head_of_out<d>(dout, N), block_query, N);
    for (int first_key = 0; first_key < N; first_key += Block::BLOCK_COLUMNS) {
        __syncthreads();
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, head_of_qkv<d>(qkv, KEY, N), first_key, N);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, head_of_qkv<d>(qkv, VALUE, N), first_key, N);
        __syncthreads();
        if (!Block::warp_has_rows(block_query, N)) continue;
        typename Block::Scores ds;
        gradients.make(ds, q_tile, dout_tile, k_tile, v_tile, bias, first_query, first_key, N);
        Block::share(weights, ds);
        Block::add_mix(dq, weights, k_tile);
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        int query = first_query + r * ROW_GROUPS;
        if (query >= N) continue;
        Block::multiply(dq, r, scale);
        Block::store(head_of_qkv<d>(dqkv, QUERY, N).row(query), dq, r);
    }
}

// dbias of the block's queries with a tile of keys, the images one after another.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__global__ void attention_backward_bias_v3(T* __restrict__ dbias, const T* __restrict__ qkv, const T* __restrict__ bias,
                                           const T* __restrict__ dout, const T* __restrict__ lse,
                                           const T* __restrict__ delta, int B, int N, T scale) {
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* dout_tile = q_tile + Block::ROW_TILE;
    T* k_tile = dout_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    int key_tiles = (N + Block::BLOCK_COLUMNS - 1) / Block::BLOCK_COLUMNS;
    int block_query = blockIdx.x / key_tiles * Block::BLOCK_ROWS, first_query = block_query + Block::first_row();
    int first_key = blockIdx.x % key_tiles * Block::BLOCK_COLUMNS;
    typename Block::Scores sum = {};
    for (int b = 0; b < B; ++b) {
        __syncthreads();
        Block::template copy<Block::BLOCK_ROWS>(q_tile, head_of_qkv<d>(qkv, QUERY, N, b), block_query, N, scale);
        Block::template copy<Block::BLOCK_ROWS>(dout_tile, head_of_out<d>(dout, N, b), block_query, N);
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, head_of_qkv<d>(qkv, KEY, N, b), first_key, N);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, head_of_qkv<d>(qkv, VALUE, N, b), first_key, N);
        __syncthreads();
        if (!Block::warp_has_rows(block_query, N)) continue;
        ScoreGradients<T, d, WARPS, ROWS, KEYS> gradients;
        gradients.load(lse + head_start(N, b), delta + head_start(N, b), first_query, N);
        typename Block::Scores ds;
        gradients.make(ds, q_tile, dout_tile, k_tile, v_tile, bias, first_query, first_key, N);
#pragma unroll
        for (int r = 0; r < ROWS; ++r)
#pragma unroll
            for (int k = 0; k < KEYS; ++k) sum[r][k] += ds[r][k];
    }
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        int query = first_query + r * ROW_GROUPS;
#pragma unroll
        for (int k = 0; k < KEYS; ++k) {
            int key = first_key + Block::lane_in_row() + k * ROW_LANES;
            if (query < N && key < N) dbias[(blockIdx.y * size_t(N) + query) * N + key] = sum[r][k];
        }
    }
}
