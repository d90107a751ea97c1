// Attention, forward, in tiles: what attention_forward_v5 of attention.cu and cross_attention.cu share. They differ in
// where Q, K and V lie, and in whether there are as many queries as keys. Block says how the products are made, and
// which thread has which rows and columns of the scores: attention_tiles.cuh.
#pragma once
#include "attention_tiles.cuh"

// The softmax that is carried along, of a thread's rows: attention.cu tells how.
//
// A GPU has an instruction for 2ˣ, none for eˣ, which costs it eight. The difference is a factor log₂e, and scores have
// a factor anyway: so they come as powers of two, and lse alone, which others read, is one of e.
template <typename Block>
struct Softmax {
    using T = typename Block::Number;
    static constexpr int ROWS = Block::THREAD_ROWS, KEYS = Block::THREAD_COLUMNS;
    T maximum[ROWS], sum[ROWS];  // sum: of this lane's keys only, until the end
    typename Block::Sums mix;

    __device__ __forceinline__ Softmax() : mix{} {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            maximum[r] = LOWEST;
            sum[r] = 0;
        }
    }

    // Scores become weights, and what was summed before is corrected where there is a larger maximum now.
    __device__ __forceinline__ void weigh(typename Block::Scores& scores, const T* bias, int block_query, int first_key,
                                          int Nq, int Nk) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = block_query + Block::row(r);
            T new_maximum = maximum[r];
#pragma unroll
            for (int c = 0; c < KEYS; ++c) {
                int key = first_key + Block::column(c);
                if (bias && query < Nq && key < Nk) scores[r][c] += bias_of(bias, query, key, Nq, Nk) * T(LOG2_E);
                if (key >= Nk) scores[r][c] = LOWEST;
                new_maximum = largest(new_maximum, scores[r][c]);
            }
            new_maximum = Block::row_max(new_maximum);
            T correction = exp2(maximum[r] - new_maximum);
            maximum[r] = new_maximum;
            sum[r] *= correction;
            Block::multiply(mix, r, correction);
#pragma unroll
            for (int c = 0; c < KEYS; ++c) {
                int key = first_key + Block::column(c);
                scores[r][c] = key < Nk ? exp2(scores[r][c] - new_maximum) : T(0);  // now a weight
                sum[r] += scores[r][c];
            }
        }
    }

    __device__ __forceinline__ void store(Head<T> out, T* lse, int block_query, int Nq) {
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = block_query + Block::row(r);
            T total = Block::row_sum(sum[r]);
            Block::multiply(mix, r, T(1) / total);
            if (query >= Nq) continue;  // all lanes meet again at the next row's shuffles
            Block::store(out.row(query), mix, r);
            if (Block::lane_in_row() == 0) lse[query] = (maximum[r] + log2(total)) * T(LN_2);
        }
    }
};

// out and lse of a block of queries. The keys pass by in tiles.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void attend(Head<T> out, T* lse, const Attention<T>& attention) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* k_tile = q_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    T* weights = v_tile + Block::COLUMN_TILE;
    int block_query = blockIdx.x * Block::BLOCK_ROWS;
    Softmax<Block> softmax;
    Block::template copy<Block::BLOCK_ROWS>(q_tile, q, block_query, Nq, scale * T(LOG2_E));
    for (int first_key = 0; first_key < Nk; first_key += Block::BLOCK_COLUMNS) {
        __syncthreads();  // all have done with the last tile
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, k, first_key, Nk);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, v, first_key, Nk);
        __syncthreads();  // the new one is there
        if (!Block::warp_has_rows(block_query, Nq)) continue;
        typename Block::Scores scores;
        Block::products(scores, q_tile, k_tile);
        softmax.weigh(scores, bias, block_query, first_key, Nq, Nk);
        Block::add_mix(softmax.mix, scores, v_tile, weights);
    }
    if (Block::warp_has_rows(block_query, Nq)) softmax.store(out, lse, block_query, Nq);
}
