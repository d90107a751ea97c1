// Attention, backward, in tiles: what attention_backward_v3.cu and cross_attention.cu share. They differ in where Q, K
// and V lie, and in whether there are as many queries as keys. attention_backward.cu has the formulas and says why
// there are so many kernels. Block says how the products are made, and which thread has which rows and columns of the
// scores: attention_tiles.cuh.
#pragma once
#include "attention_tiles.cuh"

// What the backward has of a head besides Q, K and V: the gradient of out, and two numbers for each query.
template <typename T>
struct Upstream {
    Head<const T> dout;
    const T *lse, *delta;
};

template <int d, typename T>
__device__ __forceinline__ Upstream<T> upstream_of(const T* dout, const T* lse, const T* delta, int Nq) {
    return {head_of_out<d>(dout, Nq), lse + head_start(Nq), delta + head_start(Nq)};
}

// dK and dV of the block's keys: the rows of Sᵀ. Queries are its columns. Q comes in times log₂e/√d, as S wants it in
// powers of two (attention_forward.cuh); dK wants it times 1/√d, and gets its factor ln 2 at the end.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void keys_backward(Head<T> dk, Head<T> dv, const Attention<T>& attention,
                                              const Upstream<T>& upstream) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    auto [dout, lse, delta] = upstream;
    T* k_tile = reinterpret_cast<T*>(shared_memory);
    T* v_tile = k_tile + Block::ROW_TILE;
    T* q_tile = v_tile + Block::ROW_TILE;
    T* dout_tile = q_tile + Block::COLUMN_TILE;
    T* weights = dout_tile + Block::COLUMN_TILE;
    int block_key = blockIdx.x * Block::BLOCK_ROWS;
    typename Block::Sums dk_sum = {}, dv_sum = {};
    Block::template copy<Block::BLOCK_ROWS>(k_tile, k, block_key, Nk);
    Block::template copy<Block::BLOCK_ROWS>(v_tile, v, block_key, Nk);
    for (int first_query = 0; first_query < Nq; first_query += Block::BLOCK_COLUMNS) {
        __syncthreads();  // all have done with the last tile
        Block::template copy<Block::BLOCK_COLUMNS>(q_tile, q, first_query, Nq, scale * T(LOG2_E));
        Block::template copy<Block::BLOCK_COLUMNS>(dout_tile, dout, first_query, Nq);
        __syncthreads();  // the new one is there
        if (!Block::warp_has_rows(block_key, Nk)) continue;
        typename Block::Scores p, ds;
        Block::products(p, k_tile, q_tile);
        Block::products(ds, v_tile, dout_tile);  // dP, as yet
#pragma unroll
        for (int c = 0; c < Block::THREAD_COLUMNS; ++c) {
            int query = first_query + Block::column(c);
            T query_lse = query < Nq ? lse[query] : T(0), query_delta = query < Nq ? delta[query] : T(0);
            query_lse *= T(LOG2_E);
#pragma unroll
            for (int r = 0; r < Block::THREAD_ROWS; ++r) {
                int key = block_key + Block::row(r);
                bool inside = query < Nq && key < Nk;
                if (bias && inside) p[r][c] += bias_of(bias, query, key, Nq, Nk) * T(LOG2_E);
                p[r][c] = inside ? exp2(p[r][c] - query_lse) : T(0);
                ds[r][c] = p[r][c] * (ds[r][c] - query_delta);
            }
        }
        Block::add_mix(dv_sum, p, dout_tile, weights);
        Block::add_mix(dk_sum, ds, q_tile, weights);
    }
#pragma unroll
    for (int r = 0; r < Block::THREAD_ROWS; ++r) {
        int key = block_key + Block::row(r);
        if (key >= Nk) continue;
        Block::multiply(dk_sum, r, T(LN_2));
        Block::store(dk.row(key), dk_sum, r);
        Block::store(dv.row(key), dv_sum, r);
    }
}

// dS of the block's queries, its rows, with the tile's keys, its columns: dQ and dbias both begin so.
template <typename Block>
struct ScoreGradients {
    using T = typename Block::Number;
    static constexpr int ROWS = Block::THREAD_ROWS, KEYS = Block::THREAD_COLUMNS;
    T lse[ROWS], delta[ROWS];  // of the thread's queries; lse in powers of two

    __device__ __forceinline__ void load(const T* head_lse, const T* head_delta, int block_query, int Nq) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = block_query + Block::row(r);
            lse[r] = query < Nq ? head_lse[query] : T(0);
            lse[r] *= T(LOG2_E);
            delta[r] = query < Nq ? head_delta[query] : T(0);
        }
    }

    __device__ __forceinline__ void make(typename Block::Scores& ds, const T* q_tile, const T* dout_tile,
                                         const T* k_tile, const T* v_tile, const T* bias, int block_query,
                                         int first_key, int Nq, int Nk) const {
        typename Block::Scores scores;
        Block::products(scores, q_tile, k_tile);
        Block::products(ds, dout_tile, v_tile);  // dP, as yet
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = block_query + Block::row(r);
#pragma unroll
            for (int c = 0; c < KEYS; ++c) {
                int key = first_key + Block::column(c);
                bool inside = query < Nq && key < Nk;
                if (bias && inside) scores[r][c] += bias_of(bias, query, key, Nq, Nk) * T(LOG2_E);
                T p = inside ? exp2(scores[r][c] - lse[r]) : T(0);
                ds[r][c] = p * (ds[r][c] - delta[r]);
            }
        }
    }
};

// dQ of the block's queries.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void queries_backward(Head<T> dq, const Attention<T>& attention,
                                                 const Upstream<T>& upstream) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    auto [dout, lse, delta] = upstream;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* dout_tile = q_tile + Block::ROW_TILE;
    T* k_tile = dout_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    T* weights = v_tile + Block::COLUMN_TILE;
    int block_query = blockIdx.x * Block::BLOCK_ROWS;
    ScoreGradients<Block> gradients;
    gradients.load(lse, delta, block_query, Nq);
    typename Block::Sums sum = {};
    Block::template copy<Block::BLOCK_ROWS>(q_tile, q, block_query, Nq, scale * T(LOG2_E));
    Block::template copy<Block::BLOCK_ROWS>(dout_tile, dout, block_query, Nq);
    for (int first_key = 0; first_key < Nk; first_key += Block::BLOCK_COLUMNS) {
        __syncthreads();
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, k, first_key, Nk);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, v, first_key, Nk);
        __syncthreads();
        if (!Block::warp_has_rows(block_query, Nq)) continue;
        typename Block::Scores ds;
        gradients.make(ds, q_tile, dout_tile, k_tile, v_tile, bias, block_query, first_key, Nq, Nk);
        Block::add_mix(sum, ds, k_tile, weights);
    }
#pragma unroll
    for (int r = 0; r < Block::THREAD_ROWS; ++r) {
        int query = block_query + Block::row(r);
        if (query >= Nq) continue;
        Block::multiply(sum, r, scale);
        Block::store(dq.row(query), sum, r);
    }
}

// dbias of the block's queries with a tile of keys, the images one after another. The arguments are of the first image.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void bias_backward(T* dbias, int B, const Attention<T>& attention,
                                              const Upstream<T>& upstream) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    auto [dout, lse, delta] = upstream;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* dout_tile = q_tile + Block::ROW_TILE;
    T* k_tile = dout_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    int key_tiles = (Nk + Block::BLOCK_COLUMNS - 1) / Block::BLOCK_COLUMNS;
    int block_query = blockIdx.x / key_tiles * Block::BLOCK_ROWS;
    int first_key = blockIdx.x % key_tiles * Block::BLOCK_COLUMNS;
    typename Block::Scores sum = {};
    for (int b = 0; b < B; ++b) {
        __syncthreads();
        Block::template copy<Block::BLOCK_ROWS>(q_tile, q.image(b, Nq), block_query, Nq, scale * T(LOG2_E));
        Block::template copy<Block::BLOCK_ROWS>(dout_tile, dout.image(b, Nq), block_query, Nq);
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, k.image(b, Nk), first_key, Nk);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, v.image(b, Nk), first_key, Nk);
        __syncthreads();
        if (!Block::warp_has_rows(block_query, Nq)) continue;
        size_t numbers = size_t(b) * gridDim.y * Nq;  // of lse and delta, before this image's
        ScoreGradients<Block> gradients;
        gradients.load(lse + numbers, delta + numbers, block_query, Nq);
        typename Block::Scores ds;
        gradients.make(ds, q_tile, dout_tile, k_tile, v_tile, bias, block_query, first_key, Nq, Nk);
#pragma unroll
        for (int r = 0; r < Block::THREAD_ROWS; ++r)
#pragma unroll
            for (int c = 0; c < Block::THREAD_COLUMNS; ++c) sum[r][c] += ds[r][c];
    }
#pragma unroll
    for (int r = 0; r < Block::THREAD_ROWS; ++r) {
        int query = block_query + Block::row(r);
#pragma unroll
        for (int c = 0; c < Block::THREAD_COLUMNS; ++c) {
            int key = first_key + Block::column(c);
            if (query < Nq && key < Nk) dbias[(blockIdx.y * size_t(Nq) + query) * Nk + key] = sum[r][c];
        }
    }
}
