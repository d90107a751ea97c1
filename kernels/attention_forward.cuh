// Attention, forward, 16 bytes at a time: what attention_forward_v5 of attention.cu and cross_attention.cu share. They
// differ in where Q, K and V lie, and in whether there are as many queries as keys.
#pragma once
#include "attention_tiles.cuh"

// out and lse of a block of queries. The keys pass by in tiles and the softmax is carried along: attention.cu tells
// how. attention_tiles.cuh tells which thread has which rows and columns of the scores.
template <typename T, int d, int WARPS, int ROWS, int KEYS>
__device__ __forceinline__ void attend(Head<T> out, T* lse, const Attention<T>& attention) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    using Block = Tiles<T, d, WARPS, ROWS, KEYS>;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* k_tile = q_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    T* weights = v_tile + Block::COLUMN_TILE;
    int block_query = blockIdx.x * Block::BLOCK_ROWS;
    int first_query = block_query + Block::first_row();
    T maximum[ROWS], sum[ROWS];  // sum: of this lane's keys only, until the end
    typename Block::Sums mix = {};
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        maximum[r] = LOWEST;
        sum[r] = 0;
    }
    Block::template copy<Block::BLOCK_ROWS>(q_tile, q, block_query, Nq, scale);
    for (int first_key = 0; first_key < Nk; first_key += Block::BLOCK_COLUMNS) {
        __syncthreads();  // all have done with the last tile
        Block::template copy<Block::BLOCK_COLUMNS>(k_tile, k, first_key, Nk);
        Block::template copy<Block::BLOCK_COLUMNS>(v_tile, v, first_key, Nk);
        __syncthreads();  // the new one is there
        if (!Block::warp_has_rows(block_query, Nq)) continue;
        typename Block::Scores scores;
        Block::products(scores, q_tile, k_tile);
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            int query = first_query + r * ROW_GROUPS;
            T new_maximum = maximum[r];
#pragma unroll
            for (int c = 0; c < KEYS; ++c) {
                int key = first_key + Block::lane_in_row() + c * ROW_LANES;
                if (bias && query < Nq && key < Nk) scores[r][c] += bias_of(bias, query, key, Nq, Nk);
                if (key >= Nk) scores[r][c] = LOWEST;
                new_maximum = largest(new_maximum, scores[r][c]);
            }
            new_maximum = row_max(new_maximum);
            T correction = exp(maximum[r] - new_maximum);
            maximum[r] = new_maximum;
            sum[r] *= correction;
            Block::multiply(mix, r, correction);
#pragma unroll
            for (int c = 0; c < KEYS; ++c) {
                int key = first_key + Block::lane_in_row() + c * ROW_LANES;
                scores[r][c] = key < Nk ? exp(scores[r][c] - new_maximum) : T(0);  // now a weight
                sum[r] += scores[r][c];
            }
        }
        Block::share(weights, scores);
        Block::add_mix(mix, weights, v_tile);
    }
    if (!Block::warp_has_rows(block_query, Nq)) return;
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
        int query = first_query + r * ROW_GROUPS;
        T total = row_sum(sum[r]);
        Block::multiply(mix, r, T(1) / total);
        if (query >= Nq) continue;  // all lanes meet again at the next row's shuffles
        Block::store(out.row(query), mix, r);
        if (Block::lane_in_row() == 0) lse[query] = maximum[r] + log(total);
    }
}
