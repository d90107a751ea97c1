// How the code that minivit/emulator/ptx/translate.py writes reaches memory and other threads, on the emulator's runtime.
#pragma once
#include "kernel.h"
#include "ptx.h"

namespace ptx {

using emulator::Place;
using emulator::Votes;

// ---- memory -----------------------------------------------------------------------------------------------------
// Generic, global, constant and local addresses are the CPU's own. An address of shared memory counts from where the
// dynamic part begins, and has 32 bits: other shared variables lie before it, and theirs are negative.
template <typename T, int N> struct alignas(N * sizeof(T)) Vector { T at[N]; };  // ld.v4: one access

inline u64 from_shared(u32 address) { return u64(emulator_dynamic_shared) + s32(address); }
inline u64 to_shared(u64 address) { return address - u64(emulator_dynamic_shared); }
inline bool is_shared(u64 address) {
    return address - u64(emulator::shared_memory.start) < emulator::shared_memory.size;
}

// ---- places -----------------------------------------------------------------------------------------------------
inline u32 lane() { return emulator::current->number % 32; }
inline u32 warp() { return emulator::current->number / 32; }
inline u32 warps() { return (emulator::block_size.x * emulator::block_size.y * emulator::block_size.z + 31) / 32; }
inline u64 ticks() {  // a clock that only goes on
    static u64 count = 0;
    return ++count;
}

// ---- warps ------------------------------------------------------------------------------------------------------
// shfl's operands: a lane, a distance or a mask; and `bounds`, which holds the last lane of the range and, from bit 8
// on, which bits of the lane number are the segment's. A source out of range: the lane keeps its own value.
struct Source {
    int lane;
    bool in_range;
};
inline Source in_segment(int source, bool in_range) { return {in_range ? source : int(lane()), in_range}; }
inline int first_lane(u32 bounds) { return lane() & (bounds >> 8 & 31); }
inline int last_lane(u32 bounds) { return first_lane(bounds) | (bounds & 31 & ~(bounds >> 8)); }

inline Source shuffle_idx(u32 index, u32 bounds) {
    int source = first_lane(bounds) | (index & 31 & ~(bounds >> 8));
    return in_segment(source, source <= last_lane(bounds));
}
inline Source shuffle_bfly(u32 bits, u32 bounds) {
    int source = lane() ^ (bits & 31);
    return in_segment(source, source <= last_lane(bounds));
}
inline Source shuffle_down(u32 distance, u32 bounds) {
    int source = lane() + (distance & 31);
    return in_segment(source, source <= last_lane(bounds));
}
inline Source shuffle_up(u32 distance, u32 bounds) {
    int source = int(lane()) - int(distance & 31);
    return in_segment(source, source >= last_lane(bounds));
}

inline bool unanimous(u32 mask, bool yes, Place place) {
    u32 votes = emulator::vote(mask, yes, place);
    return votes == 0 || votes == emulator::vote(mask, true, place);
}
// match.all: the mask where all lanes have the same value, else 0.
template <typename T> inline u32 match_all(u32 mask, T value, Place place) {
    u32 same = emulator::match(mask, value, place);
    return same == emulator::vote(mask, true, place) ? same : 0;
}
template <typename T, typename F> inline T reduce(u32 mask, T value, F combine, Place place) {
    u32 present = emulator::vote(mask, true, place);
    T total = value;
    for (bool first = true; present; present &= present - 1, first = false) {
        T other = T(emulator::shuffle(mask, Bits<T>(value), __builtin_ctz(present), place));
        total = first ? other : combine(total, other);
    }
    return total;
}

// ---- atomics: one step, as no other fiber runs meanwhile --------------------------------------------------------
template <typename T, typename F> EMULATOR_UNTRACED inline T atomic(u8* address, F change, Place place,
                                                                     bool compares = false) {
    emulator::on_atomic(address, sizeof(T), place);
    if (compares) emulator::on_compared(address);
    T old = *(T*)address, now = change(old);
    *(T*)address = now;
    if (now != old || !compares) emulator::on_atomic_written(address);
    if (now == old) emulator::wait_for_change(address);
    return old;
}

// ---- mistakes ---------------------------------------------------------------------------------------------------
// On a GPU the result is left open. On a CPU it would end the program.
inline void divided_by_zero(Place place = Place::here()) {
    emulator::fail("division by zero", place, "an integer was divided by zero");
}
inline void trapped(Place place = Place::here()) { emulator::fail("trap", place, "__trap() was called"); }
inline void assertion_failed(u64 message, Place place = Place::here()) {
    emulator::fail("assert", place, "assert(%s) failed", (const char*)message);
}

}  // namespace ptx
