// A cooperative launch: all blocks are there at once, and grid.sync() is a barrier of all of them.
// Still one block runs at a time. At the barrier it is put away, what its stacks hold included, and the next one runs;
// when all have come, each is put back where it was. This file and launch.cpp are compiled as one.
#include "runtime.h"

namespace emulator {

bool together;

struct Away {  // a block that waits
    uint3 index;
    bool over;  // it waits no longer: it has returned from the kernel
    Fiber* fibers;
    Warp* warps;
    char *stacks, *shared;  // what was used of each stack, one after the other
    void* checked;
    unsigned alive;
};
static Away* blocks;
static Place grid_place;

template <typename T>
static T* copied(const T* from, size_t count) {
    T* to = static_cast<T*>(malloc(count * sizeof(T) + 1));
    memcpy(to, from, count * sizeof(T));
    return to;
}

static size_t used_of(const Fiber& fiber) {
    if (fiber.state == EXITED) return 0;
    return fiber.stack + STACK_SIZE - static_cast<char*>(fiber.stack_pointer);
}

// Shared memory is kept without the room that no launch has asked for.
static size_t shared_parts(char* kept, bool restore) {
    char *start = shared_memory.start, *dynamic = shared_memory.dynamic, *behind = dynamic + sizeof emulator_dynamic_shared;
    size_t first = dynamic - start + shared_memory.dynamic_size + SHARED_GUARD, last = start + shared_memory.size - behind;
    if (kept) {
        restore ? memcpy(start, kept, first) : memcpy(kept, start, first);
        restore ? memcpy(behind, kept + first, last) : memcpy(kept + first, behind, last);
    }
    return first + last;
}

static void put_away(Away& block) {
    block = {block_index, false, copied(fibers, threads), copied(warps, warp_count), nullptr, nullptr, on_block_left(), alive};
    size_t used = 0;
    for (unsigned i = 0; i < threads; ++i) used += used_of(fibers[i]);
    char* to = block.stacks = static_cast<char*>(malloc(used + 1));
    for (unsigned i = 0; i < threads; to += used_of(fibers[i++])) memcpy(to, fibers[i].stack_pointer, used_of(fibers[i]));
    block.shared = static_cast<char*>(malloc(shared_parts(nullptr, false)));
    shared_parts(block.shared, false);
}

static void put_back(Away& block) {
    block_index = block.index;
    memcpy(fibers, block.fibers, threads * sizeof(Fiber));
    memcpy(warps, block.warps, warp_count * sizeof(Warp));
    const char* from = block.stacks;
    for (unsigned i = 0; i < threads; from += used_of(fibers[i++])) memcpy(fibers[i].stack_pointer, from, used_of(fibers[i]));
    shared_parts(block.shared, true);
    alive = block.alive;
    on_block_back(block.checked);
    free(block.fibers), free(block.warps), free(block.stacks), free(block.shared);
    barrier = {};
    barrier.votes.all = 1;
    for (unsigned w = 0; w < warp_count; ++w) warps[w].ready = warps[w].alive;
}

void grid_sync(Place place) {
    if (!together)
        fail("grid barrier", place,
             "grid.sync() needs all blocks at once: launch it by cudaLaunchCooperativeKernel, or make two launches of it");
    if (barrier.arrived && barrier.id != -1)
        fail("divergent barrier", place, "this thread is at grid.sync() while others of its block wait at the __syncthreads() "
             "in %s:%d", barrier.place.file, barrier.place.line);
    barrier.place = grid_place = place;
    barrier.id = -1;
    if (++barrier.arrived < alive) return wait(AT_BLOCK, place);
    on_syncthreads(place);
    current->state = AT_BLOCK;
    at_grid = true;
    switch_to_host();
    current->state = READY;
}

static void run_together(unsigned long long count, unsigned long long start, unsigned long long stride) {
    blocks = static_cast<Away*>(calloc(count, sizeof(Away)));
    for (unsigned long long round = 0, waiting = count; waiting && !failed; ++round) {
        unsigned long long over = 0, now = 0;
        for (unsigned long long i = 0, b = start; i < count && !failed; ++i, b = (b + stride) % count) {
            Away& block = blocks[b];
            if (block.over) continue;
            round ? put_back(block) : start_block(b);
            run_on();
            block.over = !at_grid;
            block.over ? ++over : ++now;
            if (!block.over && !failed) put_away(block);
        }
        if (now && over && !failed) {
            snprintf(message, sizeof message, "%s: %s:%d: %llu blocks wait at grid.sync() for %llu that have returned from the "
                     "kernel", kernel->name, grid_place.file, grid_place.line, now, over);
            failed = true;
        }
        waiting = now;
        on_grid_barrier();
    }
    free(blocks);
}

}  // namespace emulator
