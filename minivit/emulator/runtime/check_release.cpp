// Orders that threads make for themselves: locks, flags, the last block's count. One thread works, fences and writes with
// an atomic; who comes there later with an atomic, and only he, comes after that work. What the first one does after its
// fence is not covered, nor is work in another block by __threadfence_block().
#include <algorithm>

#include "check_order.h"

namespace emulator {

void Order::fence(unsigned thread, Scope scope) {
    Knowledge knows = all_know_;
    merge(knows, knows_[thread]);
    auto now = std::make_shared<const Fence>(Fence{epoch_, seen_[thread], std::move(knows)});
    fences_[int(Scope::block)][thread] = now;
    if (scope == Scope::device) fences_[int(Scope::device)][thread] = now;
    ++seen_[thread].at[thread % 32];  // what the thread does from now on is later
    fenced_ = true;
}

// A fence covers what its thread knew, so lanes that have met share theirs.
void Order::share_fences(unsigned warp, unsigned lanes) {
    for (auto& fences : fences_) {
        Fence all{epoch_, {}, {}};
        bool any = false;
        for (unsigned lane = 0; lane < 32; ++lane) {
            if (!(lanes >> lane & 1)) continue;
            const Fence* one = fences[warp * 32 + lane].get();
            if (!one || one->epoch != epoch_) continue;
            any = true;
            for (unsigned i = 0; i < 32; ++i) all.seen.at[i] = std::max(all.seen.at[i], one->seen.at[i]);
            merge(all.knows, one->knows);
        }
        if (!any) continue;
        auto shared = std::make_shared<const Fence>(std::move(all));
        for (unsigned lane = 0; lane < 32; ++lane)
            if (lanes >> lane & 1) fences[warp * 32 + lane] = shared;
    }
}

// At a barrier so does the whole block.
void Order::share_fences() {
    BlockFence all{epoch_, std::vector<unsigned>(seen_.size()), {}};
    bool any = false;
    for (unsigned thread = 0; thread < seen_.size(); ++thread) {
        const Fence* one = fences_[int(Scope::device)][thread].get();
        if (!one || one->epoch != epoch_) continue;
        any = true;
        for (unsigned lane = 0; lane < 32 && thread / 32 * 32 + lane < seen_.size(); ++lane) {
            unsigned& clock = all.clocks[thread / 32 * 32 + lane];
            clock = std::max(clock, one->seen.at[lane]);
        }
        merge(all.knows, one->knows);
    }
    if (any) block_fence_ = std::make_shared<const BlockFence>(std::move(all));
}

void Order::hear(unsigned thread, const void* address) {
    auto found = logs_.find(address);
    if (found == logs_.end()) return;
    merge(knows_[thread], found->second.knows);
    merge(knows_[thread], {{address, found->second.count}});
    heard_any_ = true;
}

void Order::release(unsigned thread, const void* address) {
    std::vector<Release>* mine = nullptr;
    for (Scope scope : {Scope::device, Scope::block}) {
        auto fence = fences_[int(scope)][thread];
        auto of_block = scope == Scope::device ? block_fence_ : nullptr;
        if (scope == Scope::block && fence == fences_[int(Scope::device)][thread]) continue;
        if (!fence && !of_block) continue;
        if (!mine) mine = &releases_[block_];
        auto last = std::find_if(mine->rbegin(), mine->rend(), [&](const Release& one) {
            return one.thread == thread && one.scope == scope && one.address == address;
        });
        if (last != mine->rend() && last->fence == fence && last->of_block == of_block) continue;  // it tells no more
        Log& log = logs_[address];
        unsigned clock = seen_[thread].at[thread % 32];
        mine->push_back({address, log.count++, thread, epoch_, clock, scope, fence, of_block});
        if (fence) merge(log.knows, fence->knows);
        if (of_block) merge(log.knows, of_block->knows);
    }
}

void Order::merge(Knowledge& into, const Knowledge& from) {
    if (from.empty()) return;
    Knowledge both;
    auto a = into.begin();
    auto b = from.begin();
    while (a != into.end() || b != from.end()) {
        if (b == from.end() || (a != into.end() && a->address < b->address))
            both.push_back(*a++);
        else if (a == into.end() || b->address < a->address)
            both.push_back(*b++);
        else
            both.push_back({a->address, std::max((a++)->count, (b++)->count)});
    }
    into.swap(both);
}

bool Order::knows(const Knowledge& knowledge, const Release& release) {
    auto found = std::lower_bound(knowledge.begin(), knowledge.end(), release.address,
                                  [](const Heard& heard, const void* address) { return heard.address < address; });
    return found != knowledge.end() && found->address == release.address && found->count > release.number;
}

// Whether a touch of the releasing block lies before the release's fence.
bool Order::covers(const Release& release, const Touch& touch) {
    if (const Fence* fence = release.fence.get()) {
        if (touch.epoch < fence->epoch) return true;
        if (touch.epoch == fence->epoch && touch.warp() == release.thread / 32 &&
            touch.clock <= fence->seen.at[touch.lane()])
            return true;
    }
    const BlockFence* all = release.of_block.get();
    return all && (touch.epoch < all->epoch || (touch.epoch == all->epoch && touch.clock <= all->clocks[touch.thread]));
}

// Whether an atomic is the release's own, or an earlier one of its thread.
bool Order::is_itself(const Release& release, const Touch& touch) {
    return touch.thread == release.thread && touch.epoch <= release.epoch && touch.clock <= release.clock;
}

bool Order::told(const Touch& earlier, unsigned thread, const void* atomic_at) const {
    auto found = releases_.find(earlier.block);
    if (found == releases_.end()) return false;
    bool crosses = earlier.block != block_;
    for (auto release = found->second.rbegin(); release != found->second.rend(); ++release) {
        bool itself = atomic_at == release->address && is_itself(*release, earlier);
        if ((crosses && release->scope == Scope::block) || (!itself && !covers(*release, earlier))) continue;
        if (!knows(knows_[thread], *release) && !knows(all_know_, *release)) continue;
        return true;
    }
    return false;
}

bool Order::may_be_heard(const Touch& touch, bool atomic) const {
    if (releases_.empty()) return false;
    auto found = releases_.find(touch.block);
    if (found == releases_.end()) return false;
    return std::any_of(found->second.begin(), found->second.end(), [&](const Release& release) {
        return release.scope == Scope::device && (covers(release, touch) || (atomic && is_itself(release, touch)));
    });
}

}  // namespace emulator
