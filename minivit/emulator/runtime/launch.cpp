// The launch of a grid: block after block, each with fresh shared memory and fresh threads; and what Python calls.
// This file and runtime.cpp are compiled as one.
#include <sys/mman.h>

#include "runtime.h"
#include "system.h"

namespace emulator {

// All shared variables of the library, as this thread of the operating system sees them: its thread-local memory.
static void find_shared_memory() {
    Span all = thread_memory();
    shared_memory = {all.start, all.size, reinterpret_cast<char*>(emulator_dynamic_shared), 0};
}

// Uninitialised shared memory reads as NaN, and as -1: a kernel must not count on what was there before.
static void clear_shared_memory() {
    char *start = shared_memory.start, *dynamic = shared_memory.dynamic;
    char* behind = dynamic + sizeof emulator_dynamic_shared;
    memset(start, 0xff, dynamic - start);
    memset(dynamic, 0xff, shared_memory.dynamic_size + SHARED_GUARD);
    memset(behind, 0xff, start + shared_memory.size - behind);
}

static bool wrote_behind_shared_memory() {
    const unsigned char* guard = emulator_dynamic_shared + shared_memory.dynamic_size;
    for (unsigned i = 0; i < SHARED_GUARD; ++i)
        if (guard[i] != 0xff) return true;
    return false;
}

// ---- who comes first: in ascending order, or in one that the seed has shuffled ----

static unsigned long long random_state;
static bool ascending;

static unsigned next_random() {
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return unsigned(random_state >> 33);
}

template <typename T>
static void choose_order(T* order, unsigned n) {
    for (unsigned i = 0; i < n; ++i) order[i] = T(i);
    for (unsigned i = n; i > 1 && !ascending; --i) {
        unsigned j = next_random() % i;
        T other = order[i - 1];
        order[i - 1] = order[j];
        order[j] = other;
    }
}

static void prepare_threads(char* stacks, unsigned order) {
    random_state = order;
    ascending = order == 0 || order >= FROM_TWO_THIRDS;
    choose_order(warp_order, warp_count);
    for (unsigned w = 0; w < warp_count; ++w) choose_order(warps[w].order, LANES);
    for (unsigned i = 0; i < threads; ++i) {
        fibers[i].number = i;
        fibers[i].thread = {i % block_size.x, i / block_size.x % block_size.y, i / (block_size.x * block_size.y)};
        fibers[i].stack = stacks + i * (STACK_GUARD + STACK_SIZE) + STACK_GUARD;
        unsigned turn = 0;
        while (warps[i / LANES].order[turn] != i % LANES) ++turn;
        fibers[i].turn = turn;
    }
}

// ---- blocks ----

static void start_block(unsigned long long block) {
    block_index = {unsigned(block % grid_size.x), unsigned(block / grid_size.x % grid_size.y),
                   unsigned(block / grid_size.x / grid_size.y)};
    ++blocks_started;
    clear_shared_memory();
    alive = threads;
    barrier = {};
    barrier.votes.all = 1;
    for (unsigned w = 0; w < warp_count; ++w) {
        unsigned lanes = threads - w * LANES;
        warps[w].alive = warps[w].ready = lanes < LANES ? (1u << lanes) - 1 : ~0u;
        warps[w].meeting_count = 0;
    }
    for (unsigned i = 0; i < threads; ++i) {
        // Stacks that start at the same offset within a page would all want the same lines of the cache.
        char* top = fibers[i].stack + STACK_SIZE - i % 32 * 832;
        fibers[i].stack_pointer = new_stack_pointer(top, run_thread);
        fibers[i].state = READY;
    }
    on_block();
}

static bool at_grid;  // the running block waits for all others: cooperative.cpp

// The running block, until all of its threads have returned or wait for the grid.
static void run_on() {
    at_grid = false;
    current = nullptr;
    for (unsigned w = 0; !current; ++w) current = next_in_warp(warp_order[w], LANES - 1);
    emulator_switch(&host_stack_pointer, current->stack_pointer);
    on_block_end();
    if (at_grid) return;
    if (!failed && wrote_behind_shared_memory()) {
        const uint3& b = block_index;
        snprintf(message, sizeof message,
                 "%s, block (%u, %u, %u): wrote behind its %u bytes of dynamic shared memory. Ask for more at the "
                 "launch, or mend the index.",
                 kernel->name, b.x, b.y, b.z, shared_memory.dynamic_size);
        failed = true;
    }
}

// As cudaOccupancyMaxActiveBlocksPerMultiprocessor tells it, times an A100's 108 multiprocessors.
unsigned long long blocks_at_once(unsigned threads, unsigned long long shared) {
    unsigned long long by_threads = 2048 / ((threads + LANES - 1) / LANES * LANES);
    unsigned long long by_shared = 164 * 1024 / (shared + 1024);
    unsigned long long least = by_threads < by_shared ? by_threads : by_shared;
    return 108 * (least < 32 ? least : 32);
}

constexpr unsigned MOST_SHUFFLED = 1 << 20;  // blocks
static unsigned* shuffled;
static void run_together(unsigned long long count, unsigned long long start, unsigned long long stride, bool shuffle);

static unsigned long long greatest_common_divisor(unsigned long long a, unsigned long long b) {
    return b ? greatest_common_divisor(b, a % b) : a;
}

// Every block once: in order; shuffled; or, where there are too many, from a random one on in random strides that pass
// through all of them.
static void run_grid(unsigned order) {
    unsigned long long count = 1ull * grid_size.x * grid_size.y * grid_size.z, start = 0, stride = 1;
    if (order == BACKWARDS) start = stride = count - 1;
    if (order == FROM_A_THIRD) start = (count + 2) / 3 % count;
    if (order == FROM_TWO_THIRDS) start = (2 * count + 2) / 3 % count;
    bool shuffle = !ascending && count <= MOST_SHUFFLED;
    if (shuffle) {
        shuffled = static_cast<unsigned*>(realloc(shuffled, count * sizeof(unsigned)));
        choose_order(shuffled, unsigned(count));
    } else if (!ascending) {
        start = next_random() % count;
        do stride = 1 + next_random() % count;
        while (greatest_common_divisor(stride, count) != 1);
    }
    if (together) return run_together(count, start, stride, shuffle);
    for (unsigned long long i = 0, at = start; i < count && !failed; ++i, at = (at + stride) % count) {
        start_block(shuffle ? shuffled[i] : at);
        run_on();
    }
}

// The checker may want it again in other orders. What counts is the first run.
static void run_again(char* stacks, unsigned asked) {
    unsigned order;
    bool first_failed = failed;
    size_t said = printed_size;
    while (on_grid_end(failed, asked, &order)) {
        failed = false;
        prepare_threads(stacks, order);
        run_grid(order);
        failed = first_failed;
        printed_size = said;
        if (printed) printed[said] = 0;
        message[0] = 0;
    }
}

// Returns whether all went well; `message` says what did not. interruptible: whether Ctrl-C may end the launch.
bool run_launch(const Kernel& called, dim3 grid, dim3 block, unsigned dynamic_shared, void** call, unsigned order,
                char* stacks, bool interruptible) {
    kernel = &called;
    arguments = call;
    grid_size = grid;
    block_size = block;
    threads = block.x * block.y * block.z;
    warp_count = (threads + LANES - 1) / LANES;
    message[0] = 0;
    printed_size = 0;
    if (printed) printed[0] = 0;
    find_shared_memory();
    shared_memory.dynamic_size = dynamic_shared;
    prepare_threads(stacks, order);
    interruptible = interruptible && !TRACED;  // the checker's process is ended by who started it
    interrupted = printing = false;
    if (!TRACED) watch_for_crashes();
    if (interruptible) watch_for_interrupts();
    bool timed = !TRACED && time_limit > 0;
    if (timed) watch_time();
    failed = !on_launch();
    if (!failed) run_grid(order);
    if (TRACED) run_again(stacks, order);
    if (timed) unwatch_time();
    if (interruptible) sigaction(SIGINT, &interrupt_before, nullptr);
    if (!TRACED) unwatch_crashes();
    current = nullptr;
    return !failed;
}

// Whether it is a variable of the file.
bool in_library(const void* pointer) {
    static Span library;
    if (!library.size) library = this_library();
    return library.has(pointer);
}

}  // namespace emulator

// ---- what Python calls ----

#define EXPORT extern "C" __attribute__((visibility("default")))
using namespace emulator;

// Room for the stacks of the largest block, used by all libraries of a process; below each a page that faults.
EXPORT void* emulator_new_stacks() {
    size_t size = MAX_THREADS * (STACK_GUARD + STACK_SIZE);
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    for (unsigned i = 0; i < MAX_THREADS; ++i)
        mprotect(static_cast<char*>(memory) + i * (STACK_GUARD + STACK_SIZE), STACK_GUARD, PROT_NONE);
    return memory;
}

// Python has checked the sizes; emulator_message says what went wrong.
EXPORT bool emulator_launch_kernel(int number, const unsigned* grid, const unsigned* block, unsigned dynamic_shared,
                                   void** arguments, unsigned order, char* stacks, bool interruptible) {
    // From Python a launch is a cooperative one where all of its blocks fit on a device at once.
    unsigned long long blocks = 1ull * grid[0] * grid[1] * grid[2];
    together = blocks <= blocks_at_once(block[0] * block[1] * block[2], dynamic_shared);
    return run_launch(emulator_kernels[number], dim3(grid[0], grid[1], grid[2]), dim3(block[0], block[1], block[2]),
                      dynamic_shared, arguments, order, stacks, interruptible);
}

EXPORT void emulator_time_limit(double seconds) { time_limit = seconds; }
EXPORT bool emulator_interrupted() { return interrupted; }
EXPORT const char* emulator_message() { return message; }
EXPORT const char* emulator_printed() { return printed ? printed : ""; }
EXPORT unsigned long emulator_static_shared() {
    find_shared_memory();
    return shared_memory.size - sizeof emulator_dynamic_shared;
}

// The types of a kernel's parameters: "f4*,const i4*,f8" are float*, const int* and double.
EXPORT const char* emulator_signature(int kernel_number) {
    static char text[2048];
    size_t n = 0;
    text[0] = 0;
    const Kernel& k = emulator_kernels[kernel_number];
    for (int i = 0; i < k.parameter_count; ++i) {
        const Parameter& p = k.parameters[i];
        n += snprintf(text + n, sizeof text - n, "%s%s%c%d", i ? "," : "", p.pointer && p.constant ? "const " : "",
                      p.kind, p.size);
        if (p.count > 1) n += snprintf(text + n, sizeof text - n, "x%d", p.count);
        if (p.pointer) n += snprintf(text + n, sizeof text - n, "*");
    }
    return text;
}
