// A diary of memory: for every four bytes, who wrote them last, who has read them since, and who has used atomics.
// Two touches of the same bytes by different threads are a race if one of them writes and nothing orders them
// (check_order.h), unless both are atomics.
#pragma once
#include <cstddef>
#include "trace.h"

namespace emulator {

// Touches that need no order among themselves: reads, or atomics. Kept are as many as show a race with any later
// thread: one of another block that nobody can have heard of, those of other blocks that somebody may have heard of, one
// of another warp, and of one warp every lane's.
struct Crowd {
    Touch last, other_warp, other_block;
    unsigned lanes = 0;   // which entry of the lane table; 0: `last` is the only one of its warp
    unsigned blocks = 0;  // which entry of the table of blocks; 0: there is none
};

struct Cell {
    Touch write;
    Crowd reads;
    unsigned atomics = 0;  // which entry of the table of crowds; 0: none
};

struct Race {
    Touch earlier;
    Act act;  // what the earlier one did
};

// The diary of one array, or of a block's shared memory.
class Shadow {
public:
    Shadow() = default;
    Shadow(size_t bytes, size_t element);
    Shadow(Shadow&& other) noexcept;
    Shadow& operator=(Shadow&& other) noexcept;
    ~Shadow();
    bool there() const { return cells_; }  // or is there no room?
    void clear(size_t from, size_t to);
    Cell* cells(size_t offset, size_t size, size_t* count);  // those of the bytes from offset
    size_t granule() const { return granule_; }

private:
    void refine(size_t granule);
    size_t bytes_ = 0, granule_ = 4;
    Cell* cells_ = nullptr;
};

class Races {
public:
    explicit Races(Order& order) : order_(order) { forget(); }
    void forget();            // a new launch
    void forget_lanes() { lanes_.resize(1); }  // a new block, or a block barrier: nobody's lanes matter any more
    // Enter a touch in the diary. Is it in a race with an earlier one? looks: an atomic that has changed nothing, which
    // is none with a read; it is not kept.
    bool enter(Cell& cell, Act act, const void* address, const Touch& touch, Race* race, bool looks);
    bool written(const Cell& cell) const { return cell.write || cell.atomics; }
    // The instruction by which this thread has read the cell since the last barrier, or 0.
    unsigned own_read(const Cell& cell, unsigned thread) const;

private:
    struct Lanes { Touch at[32]; };
    Touch unordered(const Crowd& crowd, unsigned thread, const void* atomic_at = nullptr) const;
    void add(Crowd& crowd, const Touch& touch, bool atomic);
    void leave_block(Crowd& crowd, bool atomic);

    Order& order_;
    std::vector<Lanes> lanes_;
    std::vector<Crowd> crowds_;
    std::vector<std::vector<Touch>> blocks_;
};

}  // namespace emulator
