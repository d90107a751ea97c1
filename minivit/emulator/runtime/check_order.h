// What comes before what. Two threads that touch the same bytes are in order only if a barrier lies between them:
//   __syncthreads()   orders all threads of a block
//   __syncwarp(mask)  orders the lanes of a warp that the mask names
//   a fence, then an atomic that writes, and an atomic on the same address that comes after it: what the first thread
//   did before its fence is before all that the second does from then on (check_release.cpp)
// A shuffle orders nothing, and neither does the time at which something happened to run.
#pragma once
#include <memory>
#include <unordered_map>
#include <vector>

namespace emulator {

// One thread's touch of some bytes. Zero bytes are no touch at all, so that a cleared page is an empty record.
struct Touch {
    unsigned block = 0;   // the block's number, from 1
    unsigned epoch = 0;   // how many __syncthreads() its block had passed
    unsigned clock = 0;   // how many __syncwarp() and fences its thread had passed, from 1
    unsigned thread = 0;  // in the block
    unsigned site = 0;    // which instruction
    explicit operator bool() const { return block != 0; }
    unsigned warp() const { return thread / 32; }
    unsigned lane() const { return thread % 32; }
};

enum class Scope : unsigned char { block, device };  // how far a fence reaches

class Order {
public:
    void start_launch();
    void start_block(unsigned block, unsigned threads);
    void grid_barrier(unsigned block) { ordered_ = block; }  // up to this number, all is in order with what comes
    void block_barrier();
    void warp_barrier(unsigned warp, unsigned lanes);

    Touch touch(unsigned thread, unsigned site) const {
        return {block_, epoch_, seen_[thread].at[thread % 32], thread, site};
    }
    unsigned block() const { return block_; }
    unsigned epoch() const { return epoch_; }
    bool before(const Touch& earlier, unsigned thread) const {
        if (earlier.block <= ordered_) return true;
        if (earlier.block == block_) {
            if (earlier.thread == thread || earlier.epoch < epoch_) return true;
            if (earlier.warp() == thread / 32 && seen_[thread].at[earlier.lane()] >= earlier.clock) return true;
        }
        return heard_any_ && told(earlier, thread, nullptr);
    }
    // The same of an atomic at an address: who has heard of a release by that very atomic comes after it, too.
    bool before(const Touch& earlier, unsigned thread, const void* address) const {
        return before(earlier, thread) || (address && heard_any_ && told(earlier, thread, address));
    }

    // ---- releases: check_release.cpp ----
    void fence(unsigned thread, Scope scope);
    void hear(unsigned thread, const void* address);     // an atomic: it comes after all earlier ones there
    void release(unsigned thread, const void* address);  // and it writes
    bool heard_any() const { return heard_any_; }        // has any atomic heard of a release?
    bool released() const { return !releases_.empty(); }
    // Whether a block that is over has made this touch known, so that somebody may yet hear of it; or by it, if atomic.
    bool may_be_heard(const Touch& touch, bool atomic) const;

private:
    struct Clocks { unsigned at[32]; };  // one for each lane of the warp
    struct Heard {                       // the first `count` releases at an address
        const void* address;
        unsigned count;
    };
    typedef std::vector<Heard> Knowledge;  // by address
    struct Fence {                         // what its thread knew then
        unsigned epoch;
        Clocks seen;
        Knowledge knows;
    };
    struct BlockFence {  // at a barrier: what the fences of all threads before it cover
        unsigned epoch;
        std::vector<unsigned> clocks;  // of each thread
        Knowledge knows;
    };
    struct Release {
        const void* address;
        unsigned number;  // of those at this address
        unsigned thread, epoch, clock;  // of the atomic
        Scope scope;
        std::shared_ptr<const Fence> fence;
        std::shared_ptr<const BlockFence> of_block;
    };
    struct Log {  // of one address
        unsigned count = 0;
        Knowledge knows;  // what all its releases together tell
    };
    static void merge(Knowledge& into, const Knowledge& from);
    static bool knows(const Knowledge& knowledge, const Release& release);
    static bool covers(const Release& release, const Touch& touch);
    static bool is_itself(const Release& release, const Touch& touch);
    bool told(const Touch& earlier, unsigned thread, const void* atomic_at) const;
    void share_fences();
    void share_fences(unsigned warp, unsigned lanes);

    unsigned block_ = 0, epoch_ = 0, ordered_ = 0;
    std::vector<Clocks> seen_;  // the latest clock of each lane that a thread has been synchronised with
    bool heard_any_ = false;
    bool fenced_ = false;                               // has a thread of this block fenced since its last barrier?
    std::vector<std::shared_ptr<const Fence>> fences_[2];  // of each thread, the last one of either scope
    std::shared_ptr<const BlockFence> block_fence_;
    std::vector<Knowledge> knows_;  // of each thread, by atomics, since the last barrier
    Knowledge all_know_;            // the whole block, by then
    std::unordered_map<const void*, Log> logs_;
    std::unordered_map<unsigned, std::vector<Release>> releases_;  // of each block
};

}  // namespace emulator
