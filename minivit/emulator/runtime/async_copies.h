// Copies into shared memory that go on while their thread does: cp.async and cuda_pipeline.h.
#pragma once
#include "cuda.h"

namespace emulator {

// What is copied is there when its group has been waited for, and not before.
struct Copying {
    char* to;
    const char* from;
    unsigned bytes, zeros, group;
    Place place;
};
constexpr unsigned MOST_COPIES = 512;  // of a thread, under way
struct Copies {
    unsigned long long block;  // of which: what an earlier one has left is forgotten
    unsigned count, groups;
    Copying pending[MOST_COPIES];
};
inline Copies copies[MAX_THREADS];
EMULATOR_UNTRACED inline Copies& copies_here() {
    Copies& mine = copies[current->number];
    if (mine.block != blocks_started) mine.block = blocks_started, mine.count = mine.groups = 0;
    return mine;
}
EMULATOR_UNTRACED inline void begin_copy(void* to, const void* from, unsigned bytes, unsigned zeros, Place here) {
    Copies& mine = copies_here();
    if (mine.count == MOST_COPIES)
        fail("asynchronous copy", here, "more than %u copies of a thread are under way: wait for some", MOST_COPIES);
    on_copied(from, bytes, false, here);  // reads from now on, and writes until somebody waits
    mine.pending[mine.count++] = {(char*)to, (const char*)from, bytes, zeros, mine.groups, here};
}
// Of 4, 8 or 16 bytes, of which so many are read, and the others become zeros.
inline void copy_later(void* to, const void* from, unsigned bytes, unsigned read, Place here) {
    if ((unsigned long long)to % bytes || (unsigned long long)from % bytes)
        fail("misaligned copy", here, "cp.async of %u bytes wants both addresses to be multiples of that", bytes);
    begin_copy(to, from, read, bytes - read, here);
}
EMULATOR_UNTRACED inline void commit_copies() { ++copies_here().groups; }
EMULATOR_UNTRACED inline void carry_out(const Copying& copy) {
    on_copied(copy.to, copy.bytes + copy.zeros, true, copy.place);
    __builtin_memcpy(copy.to, copy.from, copy.bytes);
    __builtin_memset(copy.to + copy.bytes, 0, copy.zeros);
}
// Until at most so many of the last groups are under way; ~0: all, also those that no group holds.
EMULATOR_UNTRACED inline void wait_for_copies(unsigned left) {
    Copies& mine = copies_here();
    unsigned kept = 0;
    for (unsigned i = 0; i < mine.count; ++i) {
        Copying copy = mine.pending[i];
        if (left != ~0u && copy.group + left >= mine.groups)
            mine.pending[kept++] = copy;
        else
            carry_out(copy);
    }
    mine.count = kept;
}

}  // namespace emulator

inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes, size_t zeros = 0, EMULATOR_HERE) {
    emulator::copy_later(to, from, unsigned(bytes), unsigned(bytes - zeros), here);
}
inline void __pipeline_commit() { emulator::commit_copies(); }
inline void __pipeline_wait_prior(unsigned left) { emulator::wait_for_copies(left); }
