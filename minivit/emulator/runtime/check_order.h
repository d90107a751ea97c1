// What comes before what. Two threads that touch the same bytes are in order only if a barrier lies between them:
//   __syncthreads()   orders all threads of a block
//   __syncwarp(mask)  orders the lanes of a warp that the mask names
//   __threadfence(), then an atomic, and later an atomic on the same address in another block: orders the two blocks
// A shuffle orders nothing, and neither does the time at which something happened to run: the answer is the same
// whatever the order in which the emulator runs the threads.
#pragma once
#include <unordered_map>
#include <vector>

namespace emulator {

// One thread's touch of some bytes. Zero bytes are no touch at all, so that a cleared page is an empty record.
struct Touch {
    unsigned block = 0;   // the block's number, from 1
    unsigned epoch = 0;   // how many __syncthreads() its block had passed
    unsigned clock = 0;   // how many __syncwarp() its thread had passed, from 1
    unsigned thread = 0;  // in the block
    unsigned site = 0;    // which instruction
    explicit operator bool() const { return block != 0; }
    unsigned warp() const { return thread / 32; }
    unsigned lane() const { return thread % 32; }
};

class Order {
public:
    void start_launch();
    void start_block(unsigned block, unsigned threads);
    void grid_barrier(unsigned block) { ordered_ = block; }  // up to this number, all is in order with what comes
    void block_barrier() { ++epoch_; }
    void warp_barrier(unsigned warp, unsigned lanes);
    void fence(unsigned thread) { fenced_[thread] = true; }
    void wrote(unsigned thread) { fenced_[thread] = false; }
    void atomic(unsigned thread, const void* address);

    Touch touch(unsigned thread, unsigned site) const {
        return {block_, epoch_, seen_[thread].at[thread % 32], thread, site};
    }
    unsigned block() const { return block_; }
    unsigned epoch() const { return epoch_; }
    // The latest clock of another lane of its warp that this thread has been synchronised with.
    unsigned seen(unsigned thread, unsigned lane) const { return seen_[thread].at[lane]; }
    bool before(const Touch& earlier, unsigned thread) const;

private:
    struct Clocks { unsigned at[32]; };  // one for each lane of the warp
    struct Release { unsigned epoch, thread; };
    struct Acquire { const void* address; unsigned epoch, thread; };
    bool handed_over(const Touch& earlier, unsigned thread) const;

    unsigned block_ = 0, epoch_ = 0, ordered_ = 0;
    std::vector<Clocks> seen_;
    std::vector<bool> fenced_;  // has this thread called __threadfence() since its last write?
    std::unordered_map<const void*, std::unordered_map<unsigned, Release>> releases_;  // address, block
    std::vector<Acquire> acquires_;                                                   // of the running block
};

}  // namespace emulator
