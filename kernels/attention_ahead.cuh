// Attention, forward, half a tile ahead of itself: what attention_ahead.cu and attention_tensor.cu are made of.
#pragma once
#include "async_copy.cuh"
#include "attention_forward.cuh"

// Tiles::copy of keys or values, begun and not waited for.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void start_tile(T* tile, Head<const T> head, int first, int N) {
    constexpr int SIZE = Vec<T>::SIZE;
    for (int r = threadIdx.x / ROW_LANES; r < Block::BLOCK_COLUMNS; r += blockDim.x / ROW_LANES) {
        bool there = first + r < N;
        const T* row = head.row(there ? first + r : 0);
        for (int c = threadIdx.x % ROW_LANES * SIZE; c < Block::WIDTH; c += ROW_LANES * SIZE)
            start_copy(tile + r * Block::STRIDE + c, row + c, there);
    }
}

// As `attend`, whose block stands still while a tile is copied. But scores want only K, and the mix only V: so V comes
// while the scores are made, and the next K while the mix is. Both have their place in shared memory already; no more
// is needed than before, and no more barriers: the one that says that K is there says, too, that all have done with V.
template <typename Block, typename T = typename Block::Number>
__device__ __forceinline__ void attend_ahead(Head<T> out, T* lse, const Attention<T>& attention) {
    auto [q, k, v, bias, Nq, Nk, scale] = attention;
    T* q_tile = reinterpret_cast<T*>(shared_memory);
    T* k_tile = q_tile + Block::ROW_TILE;
    T* v_tile = k_tile + Block::COLUMN_TILE;
    T* weights = v_tile + Block::COLUMN_TILE;
    int block_query = blockIdx.x * Block::BLOCK_ROWS;
    bool has_rows = Block::warp_has_rows(block_query, Nq);
    Softmax<Block> softmax;
    start_tile<Block>(k_tile, k, 0, Nk);
    Block::template copy<Block::BLOCK_ROWS>(q_tile, q, block_query, Nq, scale * T(LOG2_E));
    for (int first_key = 0; first_key < Nk; first_key += Block::BLOCK_COLUMNS) {
        wait_for_copies();
        __syncthreads();  // K is there, and all have done with V
        start_tile<Block>(v_tile, v, first_key, Nk);
        typename Block::Scores scores;
        if (has_rows) {
            Block::products(scores, q_tile, k_tile);
            softmax.weigh(scores, bias, block_query, first_key, Nq, Nk);
        }
        wait_for_copies();
        __syncthreads();  // V is there, and all have done with K
        int next_key = first_key + Block::BLOCK_COLUMNS;
        if (next_key < Nk) start_tile<Block>(k_tile, k, next_key, Nk);
        if (has_rows) Block::add_mix(softmax.mix, scores, v_tile, weights);
    }
    if (has_rows) softmax.store(out, lse, block_query, Nq);
}
