// cooperative_groups.h: blocks, tiles of a warp and the lanes that came together. Each is a few of cuda.h's operations.
#pragma once
#include "cuda.h"

namespace cooperative_groups {

class thread_group {
public:
    unsigned size() const { return size_; }
    unsigned num_threads() const { return size_; }
    unsigned thread_rank() const { return rank_; }
    void sync(EMULATOR_HERE) const {
        if (mask_)
            emulator::syncwarp(mask_, here);
        else
            emulator::syncthreads(here, here.line);
    }

protected:
    thread_group(unsigned mask, unsigned size, unsigned rank) : mask_(mask), size_(size), rank_(rank) {}
    unsigned mask_;  // of the lanes; 0 for a whole block
    unsigned size_, rank_;
    template <typename>
    friend class warp_group;
    friend thread_group tiled_partition(const thread_group& group, unsigned size);
};

class thread_block : public thread_group {
public:
    thread_block() : thread_group(0, emulator_threads(), emulator::current->number) {}
    static dim3 group_index() { return blockIdx; }
    static dim3 thread_index() { return threadIdx; }
    static dim3 group_dim() { return blockDim; }
    static dim3 dim_threads() { return blockDim; }

private:
    static unsigned emulator_threads() { return blockDim.x * blockDim.y * blockDim.z; }
};
inline thread_block this_thread_block() { return {}; }
inline void sync(const thread_group& group, EMULATOR_HERE) { group.sync(here); }
inline void synchronize(const thread_group& group, EMULATOR_HERE) { group.sync(here); }

// Lanes of one warp; lane r of the group is the r-th bit of its mask.
template <typename Self>
class warp_group : public thread_group {
public:
    template <typename T>
    T shfl(T value, unsigned rank, EMULATOR_HERE) const {
        return from(value, rank, here);
    }
    template <typename T>
    T shfl_down(T value, unsigned distance, EMULATOR_HERE) const {
        return from(value, rank_ + distance < size_ ? rank_ + distance : rank_, here);
    }
    template <typename T>
    T shfl_up(T value, unsigned distance, EMULATOR_HERE) const {
        return from(value, rank_ >= distance ? rank_ - distance : rank_, here);
    }
    template <typename T>
    T shfl_xor(T value, unsigned bits, EMULATOR_HERE) const {
        return from(value, (rank_ ^ bits) < size_ ? rank_ ^ bits : rank_, here);
    }
    unsigned ballot(int predicate, EMULATOR_HERE) const {
        unsigned lanes = emulator::vote(mask_, predicate != 0, here), ranks = 0, rank = 0;
        for (unsigned lane = 0; lane < 32; ++lane)
            if (mask_ >> lane & 1) ranks |= (lanes >> lane & 1) << rank++;
        return ranks;
    }
    int any(int predicate, EMULATOR_HERE) const { return ballot(predicate, here) != 0; }
    int all(int predicate, EMULATOR_HERE) const { return ballot(predicate == 0, here) == 0; }

protected:
    warp_group(unsigned mask, unsigned size, unsigned rank) : thread_group(mask, size, rank) {}

private:
    template <typename T>
    T from(T value, unsigned rank, emulator::Place here) const {
        unsigned lane = 0;
        for (; lane < 32; ++lane)
            if ((mask_ >> lane & 1) && rank-- == 0) break;
        return emulator::from_bits<T>(emulator::shuffle(mask_, emulator::to_bits(value), int(lane), here));
    }
};

template <unsigned N, typename Parent = void>
class thread_block_tile : public warp_group<thread_block_tile<N, Parent>> {
    static_assert(N <= 32 && !(N & (N - 1)), "a tile has 1, 2, 4, 8, 16 or 32 threads");

public:
    thread_block_tile() : warp_group<thread_block_tile>(mask(), N, emulator::current->number % N) {}
    template <typename Other>
    thread_block_tile(const thread_block_tile<N, Other>&) : thread_block_tile() {}
    static unsigned meta_group_rank() { return emulator::current->number / N; }
    static unsigned meta_group_size() { return (blockDim.x * blockDim.y * blockDim.z + N - 1) / N; }

private:
    static unsigned mask() {
        unsigned first = emulator::lane() / N * N;
        return (N == 32 ? ~0u : (1u << N % 32) - 1) << first;
    }
};
template <unsigned N, typename Group>
inline thread_block_tile<N, Group> tiled_partition(const Group&) {
    return {};
}

class coalesced_group : public warp_group<coalesced_group> {
public:
    explicit coalesced_group(unsigned mask)
        : warp_group(mask, __builtin_popcount(mask), __builtin_popcount(mask & ((1u << emulator::lane()) - 1))) {}
};
inline coalesced_group coalesced_threads(EMULATOR_HERE) { return coalesced_group(emulator::active_mask(here)); }

inline thread_group tiled_partition(const thread_group&, unsigned size) {
    unsigned first = emulator::lane() / size * size, ones = size == 32 ? ~0u : (1u << size) - 1;
    return thread_group(ones << first, size, emulator::current->number % size);
}

template <typename T>
struct plus {
    T operator()(T a, T b) const { return a + b; }
};
template <typename T>
struct less {
    T operator()(T a, T b) const { return b < a ? b : a; }
};
template <typename T>
struct greater {
    T operator()(T a, T b) const { return b > a ? b : a; }
};
template <typename Group, typename T, typename Join>
inline T reduce(const Group& group, T value, Join join, EMULATOR_HERE) {
    T result = group.shfl(value, 0, here);
    for (unsigned rank = 1; rank < group.size(); ++rank) result = join(result, group.shfl(value, rank, here));
    return result;
}

// All blocks of a cooperative launch.
class grid_group {
public:
    static unsigned long long size() { return num_blocks() * block_threads(); }
    static unsigned long long num_threads() { return size(); }
    static unsigned long long num_blocks() { return 1ull * gridDim.x * gridDim.y * gridDim.z; }
    static unsigned long long block_rank() {
        return blockIdx.x + gridDim.x * (blockIdx.y + 1ull * gridDim.y * blockIdx.z);
    }
    static unsigned long long thread_rank() { return block_rank() * block_threads() + emulator::current->number; }
    static dim3 group_dim() { return gridDim; }
    static dim3 dim_blocks() { return gridDim; }
    static bool is_valid() { return emulator::together; }
    static void sync(EMULATOR_HERE) { emulator::grid_sync(here); }

private:
    static unsigned block_threads() { return blockDim.x * blockDim.y * blockDim.z; }
};
inline grid_group this_grid() { return {}; }
inline void sync(const grid_group& group, EMULATOR_HERE) { group.sync(here); }

}  // namespace cooperative_groups
