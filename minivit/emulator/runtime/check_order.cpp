// Vector clocks: every thread knows how far it has been synchronised with each lane of its warp.
#include "check_order.h"

namespace emulator {

void Order::start_launch() {
    block_ = ordered_ = 0;
    heard_any_ = false;
    logs_.clear();
    releases_.clear();
}

void Order::start_block(unsigned block, unsigned threads) {
    block_ = block;
    epoch_ = 0;
    fenced_ = false;
    for (auto& fences : fences_) fences.assign(threads, nullptr);
    block_fence_ = nullptr;
    knows_.assign(threads, {});
    all_know_.clear();
    seen_.assign(threads, Clocks{});
    for (unsigned t = 0; t < threads; ++t) seen_[t].at[t % 32] = 1;
}

void Order::block_barrier() {
    if (heard_any_) {
        for (Knowledge& knows : knows_) {
            merge(all_know_, knows);
            knows.clear();
        }
    }
    if (fenced_) share_fences();
    fenced_ = false;
    ++epoch_;
}

// Every lane learns all that any of the lanes knew; what it does from now on is later than that.
void Order::warp_barrier(unsigned warp, unsigned lanes) {
    Clocks all{};
    Knowledge knows;
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        for (unsigned i = 0; i < 32; ++i) {
            unsigned clock = seen_[warp * 32 + lane].at[i];
            if (clock > all.at[i]) all.at[i] = clock;
        }
        if (heard_any_) merge(knows, knows_[warp * 32 + lane]);
    }
    if (fenced_) share_fences(warp, lanes);
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(lanes >> lane & 1)) continue;
        seen_[warp * 32 + lane] = all;
        ++seen_[warp * 32 + lane].at[lane];
        if (heard_any_) knows_[warp * 32 + lane] = knows;
    }
}

}  // namespace emulator
