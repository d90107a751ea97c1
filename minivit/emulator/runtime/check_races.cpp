#include "check_races.h"

#include <cstdlib>
#include <utility>

#include "check.h"

namespace emulator {

void Races::forget() {
    lanes_.assign(1, Lanes{});
    crowds_.assign(1, Crowd{});
    blocks_.assign(1, {});
}

bool Races::enter(Cell& cell, Act act, const void* address, const Touch& touch, Race* race, bool looks) {
    unsigned thread = touch.thread;
    *race = {};
    if (cell.write && !order_.before(cell.write, thread)) *race = {cell.write, Act::write};
    if (looks) return bool(race->earlier);
    if (act != Act::read) {
        if (!race->earlier) *race = {unordered(cell.reads, thread), Act::read};
    }
    if (act != Act::atomic && cell.atomics) {
        if (!race->earlier) *race = {unordered(crowds_[cell.atomics], thread, address), Act::atomic};
    }
    if (act == Act::read) {
        add(cell.reads, touch, false);
    } else if (act == Act::write) {
        cell.write = touch;
    } else {
        if (!cell.atomics) {
            cell.atomics = crowds_.size();
            crowds_.emplace_back();
        }
        add(crowds_[cell.atomics], touch, true);
    }
    return bool(race->earlier);
}

// One of the crowd that nothing orders before this thread; an empty touch if there is none.
Touch Races::unordered(const Crowd& crowd, unsigned thread, const void* atomic_at) const {
    auto before = [&](const Touch& touch) { return order_.before(touch, thread, atomic_at); };
    const Touch& last = crowd.last;
    if (crowd.other_block && !before(crowd.other_block)) return crowd.other_block;
    if (crowd.blocks) {
        for (const Touch& touch : blocks_[crowd.blocks])
            if (!before(touch)) return touch;
    }
    const Touch& other = crowd.other_warp;
    bool here = last.block == order_.block();
    if (other && (here ? other.warp() != thread / 32 : order_.heard_any()) && !before(other)) return other;
    if (!last || !here || last.epoch < order_.epoch())
        return last && !before(last) ? last : Touch{};
    if (last.warp() != thread / 32 || !crowd.lanes) return before(last) ? Touch{} : last;
    for (const Touch& lane : lanes_[crowd.lanes].at)
        if (lane && !before(lane)) return lane;
    return {};
}

void Races::add(Crowd& crowd, const Touch& touch, bool atomic) {
    Touch& last = crowd.last;
    bool same_block = last.block == touch.block;
    bool ordered = same_block && order_.heard_any() && !crowd.lanes && order_.before(last, touch.thread) &&
                   (!crowd.other_warp || order_.before(crowd.other_warp, touch.thread));
    if (ordered || !same_block || last.epoch != touch.epoch) {  // a block barrier has ordered all earlier ones
        if (last && !same_block) leave_block(crowd, atomic);
        crowd.other_warp = {};
        crowd.lanes = 0;
        last = touch;
    } else if (last.warp() != touch.warp()) {
        crowd.other_warp = touch;
    } else if (crowd.lanes) {
        lanes_[crowd.lanes].at[touch.lane()] = touch;
    } else if (order_.before(last, touch.thread)) {
        last = touch;
    } else {
        crowd.lanes = lanes_.size();
        lanes_.emplace_back();
        lanes_.back().at[last.lane()] = last;
        lanes_.back().at[touch.lane()] = touch;
    }
}

// The crowd's latest touches are of a block that is over. Those that nobody can have heard of are in a race with whoever
// comes, so one of them is enough; of the others, those of so many blocks are kept.
void Races::leave_block(Crowd& crowd, bool atomic) {
    constexpr size_t MOST = 256;
    for (const Touch& touch : {crowd.last, crowd.other_warp}) {
        if (!touch) continue;
        if (!order_.may_be_heard(touch, atomic)) {
            crowd.other_block = touch;
            continue;
        }
        if (!crowd.blocks) {
            crowd.blocks = blocks_.size();
            blocks_.emplace_back();
        }
        if (blocks_[crowd.blocks].size() < MOST) blocks_[crowd.blocks].push_back(touch);
    }
}

unsigned Races::own_read(const Cell& cell, unsigned thread) const {
    const Crowd& crowd = cell.reads;
    auto own = [&](const Touch& touch) {
        return touch.block == order_.block() && touch.epoch == order_.epoch() && touch.thread == thread;
    };
    if (own(crowd.last)) return crowd.last.site;
    if (own(crowd.other_warp)) return crowd.other_warp.site;
    bool listed = crowd.lanes && crowd.last.block == order_.block() && crowd.last.epoch == order_.epoch();
    return listed && own(lanes_[crowd.lanes].at[thread % 32]) ? lanes_[crowd.lanes].at[thread % 32].site : 0;
}

Shadow::Shadow(size_t bytes, size_t element) : bytes_(bytes), granule_(element < 4 ? element : 4) {
    cells_ = static_cast<Cell*>(calloc(bytes_ / granule_ + 1, sizeof(Cell)));  // untouched pages cost nothing
}

Shadow::Shadow(Shadow&& other) noexcept { *this = std::move(other); }

Shadow& Shadow::operator=(Shadow&& other) noexcept {
    std::swap(bytes_, other.bytes_);
    std::swap(granule_, other.granule_);
    std::swap(cells_, other.cells_);
    return *this;
}

Shadow::~Shadow() { free(cells_); }

void Shadow::clear(size_t from, size_t to) {
    for (size_t i = from / granule_; i * granule_ < to; ++i) cells_[i] = Cell{};
}

Cell* Shadow::cells(size_t offset, size_t size, size_t* count) {
    if ((offset | size) % granule_) refine((offset | size) % 2 ? 1 : 2);
    *count = size / granule_;
    return cells_ + offset / granule_;
}

// Two threads may own two bytes of the same four: where bytes are touched one by one, each gets a cell of its own.
void Shadow::refine(size_t granule) {
    Shadow finer(bytes_, granule);
    if (!finer.there()) fail(NO_ROOM, {"", 0}, "%s", "");
    for (size_t i = 0; i < bytes_ / granule; ++i) finer.cells_[i] = cells_[i * granule / granule_];
    *this = std::move(finer);
}

}  // namespace emulator
