// The emulator's runtime: a block's threads as fibers, and the barriers of the block.
// What the lanes of a warp do together is in warp.cpp, the launch in launch.cpp.
#include "runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fiber.h"

namespace emulator {

Fiber* current;
unsigned long long blocks_started;
uint3 block_index;
dim3 block_size, grid_size;
Fiber fibers[MAX_THREADS];
Warp warps[MAX_THREADS / LANES];
SharedMemory shared_memory;
Arguments kept_arguments;

static void* host_stack_pointer;  // where emulator_launch waits
static const Kernel* kernel;
static void** arguments;
static unsigned threads, warp_count;  // of the block
static unsigned warp_order[MAX_THREADS / LANES];
static unsigned alive;  // threads that have not returned
static bool failed;

static struct {
    unsigned arrived;
    Place place;
    int id;
    Votes votes, result;
} barrier;

// ---- messages ----

static char message[4096];
static char* printed;  // what the kernel printed
static size_t printed_size, printed_room;
static volatile bool printing;  // and perhaps in the middle of an allocation

static void switch_to_host() {
    Fiber* from = current;
    current = nullptr;
    emulator_switch(&from->stack_pointer, host_stack_pointer);
}

void fail(const char* kind, Place place, const char* format, ...) {
    static char text[2048];
    va_list values;
    va_start(values, format);
    vsnprintf(text, sizeof text, format, values);
    va_end(values);
    on_fail(kind, place, text);
    char where[512] = "";
    if (place.file) snprintf(where, sizeof where, "%s:%d: ", place.file, place.line);
    const uint3 &b = block_index, &t = current->thread;
    snprintf(message, sizeof message, "%s%s, block (%u, %u, %u), thread (%u, %u, %u): %s", where, kernel->name, b.x,
             b.y, b.z, t.x, t.y, t.z, text);
    failed = true;
    switch_to_host();
    __builtin_unreachable();
}

// Kept until the launch is over: a terminal or a pipe may not be ready for it.
int print_in_kernel(const char* format, va_list values) {
    printing = true;
    char text[4096];
    int n = vsnprintf(text, sizeof text, format, values);
    size_t length = strlen(text);
    if (printed_size + length >= printed_room) {
        printed_room = 2 * (printed_size + length + 1);
        printed = static_cast<char*>(realloc(printed, printed_room));
    }
    memcpy(printed + printed_size, text, length + 1);
    printed_size += length;
    printing = false;
    return n;
}

// ---- the schedule: who runs next ----

// The next lane of a warp that can run, after `turn` in the warp's order.
static Fiber* next_in_warp(unsigned number, unsigned turn) {
    const Warp& warp = warps[number];
    if (!warp.ready) return nullptr;
    for (;;) {
        turn = (turn + 1) % LANES;
        unsigned lane = warp.order[turn];
        if (warp.ready >> lane & 1) return &fibers[number * LANES + lane];
    }
}

static void deadlock();
static bool end_active(Warp&);

// Leave the current thread, which waits or has returned, for another: of the same warp first, so that a warp's lanes
// stay as close together as they can.
static void run_next() {
    Fiber* me = current;
    Warp& warp = warps[me->number / LANES];
    Fiber* next = next_in_warp(me->number / LANES, me->turn);
    if (!next && end_active(warp)) next = next_in_warp(me->number / LANES, me->turn);
    for (unsigned w = 0; !next && w < warp_count; ++w) next = next_in_warp(warp_order[w], LANES - 1);
    if (next) {
        current = next;
        emulator_switch(&me->stack_pointer, next->stack_pointer);
    } else {
        if (alive) deadlock();
        switch_to_host();
    }
}

static void wait(State state, Place place) {
    Fiber* me = current;
    me->state = state;
    me->waits_at = place;
    warps[me->number / LANES].ready &= ~(1u << me->number % LANES);
    run_next();
    me->state = READY;
}

// Nobody can run. Some wait for other lanes of their warp, else all would be at one barrier, and it would have opened.
static void deadlock() {
    unsigned count[EXITED + 1] = {};
    Fiber* first[EXITED + 1] = {};
    for (unsigned i = 0; i < threads; ++i)
        if (count[fibers[i].state]++ == 0) first[fibers[i].state] = &fibers[i];
    current = first[AT_WARP];
    Place warp = current->waits_at, block = first[AT_BLOCK] ? first[AT_BLOCK]->waits_at : Place{"", 0};
    if (count[AT_BLOCK])
        fail("deadlock", warp,
             "deadlock: %u threads wait here for other lanes of their warp, and %u wait at the __syncthreads() in "
             "%s:%d. Barriers and warp operations must not stand in a branch that only some threads take.",
             count[AT_WARP], count[AT_BLOCK], block.file, block.line);
    fail("deadlock", warp,
         "deadlock: %u threads wait here for other lanes of their warp, which wait elsewhere for them. Lanes must name "
         "the same mask when they meet.",
         count[AT_WARP]);
}

// ---- barriers of the block ----

static void open_barrier() {
    on_syncthreads(barrier.place);
    barrier.arrived = 0;
    barrier.result = barrier.votes;
    barrier.votes = {0, 1, 0};
    for (unsigned w = 0; w < warp_count; ++w) warps[w].ready = warps[w].alive;
}

void syncthreads(Place place, int id) {
    if (barrier.arrived == 0) {
        barrier.place = place;
        barrier.id = id;
    } else if (barrier.id != id) {
        fail("divergent barrier", place,
             "this thread is at a __syncthreads() while others of its block wait at the one in %s:%d. All threads of a "
             "block must come to the same one: take it out of the branch.",
             barrier.place.file, barrier.place.line);
    }
    ++barrier.arrived;
    if (barrier.arrived == alive)
        open_barrier();
    else
        wait(AT_BLOCK, place);
}

Votes syncthreads_votes(bool vote, Place place, int id) {
    barrier.votes.count += vote;
    barrier.votes.all &= vote;
    barrier.votes.any |= vote;
    syncthreads(place, id);
    return barrier.result;
}

// ---- a thread, from the first line of the kernel to its return ----

static void leave_warp(Fiber&);

static void run_thread() {
    kernel->call(arguments);
    Fiber& me = *current;
    on_exit();
    me.state = EXITED;
    --alive;
    leave_warp(me);
    if (alive && barrier.arrived == alive) open_barrier();  // those who wait need not wait for one who has returned
    run_next();
}

}  // namespace emulator
