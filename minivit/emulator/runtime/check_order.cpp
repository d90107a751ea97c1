// Vector clocks: every thread knows how far it has been synchronised with each lane of its warp.
#include "check_order.h"

namespace emulator {

void Order::start_launch() {
    block_ = ordered_ = 0;
    releases_.clear();
}

void Order::start_block(unsigned block, unsigned threads) {
    block_ = block;
    epoch_ = 0;
    fenced_.assign(threads, false);
    acquires_.clear();
    seen_.assign(threads, Clocks{});
    for (unsigned t = 0; t < threads; ++t) seen_[t].at[t % 32] = 1;
}

// Every lane learns all that any of the lanes knew; what it does from now on is later than that.
void Order::warp_barrier(unsigned warp, unsigned lanes) {
    Clocks all{};
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        for (unsigned i = 0; i < 32; ++i) {
            unsigned clock = seen_[warp * 32 + lane].at[i];
            if (clock > all.at[i]) all.at[i] = clock;
        }
    }
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        seen_[warp * 32 + lane] = all;
        ++seen_[warp * 32 + lane].at[lane];
    }
}

bool Order::before(const Touch& earlier, unsigned thread) const {
    if (earlier.block <= ordered_) return true;
    if (earlier.block != block_) return !acquires_.empty() && handed_over(earlier, thread);
    if (earlier.thread == thread || earlier.epoch < epoch_) return true;
    return earlier.warp() == thread / 32 && seen(thread, earlier.lane()) >= earlier.clock;
}

// The last block's trick: a block writes, calls __threadfence() and counts itself with an atomic; who finds by an
// atomic on the same counter that all others have been there may read what they wrote.
void Order::atomic(unsigned thread, const void* address) {
    auto found = releases_.find(address);
    if (found != releases_.end()) acquires_.push_back({address, epoch_, thread});
    if (fenced_[thread]) releases_[address][block_] = {epoch_, thread};
}

bool Order::handed_over(const Touch& earlier, unsigned thread) const {
    for (const Acquire& acquire : acquires_) {
        if (acquire.thread != thread && acquire.epoch >= epoch_) continue;  // this thread has not heard of it yet
        const auto& blocks = releases_.at(acquire.address);
        auto release = blocks.find(earlier.block);
        if (release == blocks.end()) continue;
        if (earlier.thread == release->second.thread || earlier.epoch < release->second.epoch) return true;
    }
    return false;
}

}  // namespace emulator
