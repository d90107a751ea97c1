#include "check_races.h"

#include <cstdlib>
#include <utility>

namespace emulator {

void Races::forget() {
    lanes_.assign(1, Lanes{});
    crowds_.assign(1, Crowd{});
}

bool Races::enter(Cell& cell, Act act, const Touch& touch, Race* race) {
    unsigned thread = touch.thread;
    *race = {};
    if (cell.write && !order_.before(cell.write, thread)) *race = {cell.write, Act::write};
    if (act != Act::read) {
        if (!race->earlier) *race = {unordered(cell.reads, thread), Act::read};
    }
    if (act != Act::atomic && cell.atomics) {
        if (!race->earlier) *race = {unordered(crowds_[cell.atomics], thread), Act::atomic};
    }
    if (act == Act::read) {
        add(cell.reads, touch);
    } else if (act == Act::write) {
        cell.write = touch;
    } else {
        if (!cell.atomics) {
            cell.atomics = crowds_.size();
            crowds_.emplace_back();
        }
        add(crowds_[cell.atomics], touch);
    }
    return bool(race->earlier);
}

// One of the crowd that nothing orders before this thread; an empty touch if there is none.
Touch Races::unordered(const Crowd& crowd, unsigned thread) const {
    const Touch& last = crowd.last;
    if (crowd.other_block && !order_.before(crowd.other_block, thread)) return crowd.other_block;
    if (!last || last.block != order_.block() || last.epoch < order_.epoch())
        return last && !order_.before(last, thread) ? last : Touch{};
    if (crowd.other_warp && crowd.other_warp.warp() != thread / 32) return crowd.other_warp;
    if (last.warp() != thread / 32 || !crowd.lanes) return order_.before(last, thread) ? Touch{} : last;
    for (const Touch& lane : lanes_[crowd.lanes].at)
        if (lane && !order_.before(lane, thread)) return lane;
    return {};
}

void Races::add(Crowd& crowd, const Touch& touch) {
    Touch& last = crowd.last;
    if (last.block != touch.block || last.epoch != touch.epoch) {  // a block barrier has ordered all earlier ones
        if (last && last.block != touch.block) crowd.other_block = last;
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
    for (size_t i = 0; i < bytes_ / granule; ++i) finer.cells_[i] = cells_[i * granule / granule_];
    *this = std::move(finer);
}

}  // namespace emulator
