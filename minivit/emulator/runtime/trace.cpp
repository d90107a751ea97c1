// The functions that a traced kernel calls before each access to memory, and the runtime's hooks.
#include "trace.h"

#include <cstring>
#include <string>
#include <unordered_map>

#include "system.h"

#define EXPORT extern "C" __attribute__((visibility("default")))
#define RETURN_ADDRESS __builtin_return_address(0)

namespace emulator {

Mode mode = Mode::check;
std::vector<Buffer> buffers;
unsigned last_site;

namespace {

bool tracing;
unsigned long long barriers, warp_operations;
Span library;  // its constants and the runtime's own variables are none of the kernel's memory
std::vector<Place> places;
std::unordered_map<std::string, unsigned> place_numbers;
unsigned latest_buffer;
std::vector<long long> guards;  // bytes of the compiler's own in shared memory
struct SharedArray {
    long long offset, size;
};
std::vector<SharedArray> shared_arrays;
size_t latest_array;
Access latest_atomic;
const void* latest_address;  // of that

bool within(const void* address, const void* start, size_t size) {
    return size_t(static_cast<const char*>(address) - static_cast<const char*>(start)) < size;
}

// The buffer that an address belongs to; an address outside all of them is counted from the nearest, if one is near.
void locate(const char* address, Access* access) {
    long long nearest = 8 << 20;  // bytes: half of the gap that worker.py leaves between two arrays
    if (latest_buffer < buffers.size() && within(address, buffers[latest_buffer].start, buffers[latest_buffer].bytes)) {
        access->buffer = latest_buffer;
        access->offset = address - buffers[latest_buffer].start;
        return;
    }
    access->buffer = NOWHERE;
    access->offset = reinterpret_cast<long long>(address);
    for (size_t b = 0; b < buffers.size(); ++b) {
        long long offset = address - buffers[b].start, bytes = buffers[b].bytes;
        long long distance = offset < 0 ? -offset : offset < bytes ? 0 : offset - bytes + 1;
        if (distance >= nearest) continue;
        nearest = distance;
        access->buffer = b;
        access->offset = offset;
        if (distance == 0) latest_buffer = b;
    }
}

// Whether it is a variable of the reader's file: those come last among the buffers. All else in the library is ours.
bool of_the_file(const char* address) {
    for (size_t b = buffers.size(); b-- > 0;) {
        if (!library.has(buffers[b].start)) return false;
        if (within(address, buffers[b].start, buffers[b].bytes)) return true;
    }
    return false;
}

// Whether an access lies within one of the shared arrays of fixed size.
bool within_one(const Access& access) {
    auto inside = [&](const SharedArray& a) {
        return access.offset >= a.offset && access.offset + (long long)access.size <= a.offset + a.size;
    };
    if (shared_arrays.empty() || inside(shared_arrays[latest_array])) return true;
    for (size_t i = 0; i < shared_arrays.size(); ++i)
        if (inside(shared_arrays[i])) return latest_array = i, true;
    return false;
}

void check_shared_bounds(const Access& access) {
    long long dynamic = shared_memory.dynamic - shared_memory.start, end = access.offset + (long long)access.size;
    if (end > (long long)shared_memory.size) stop_for("out of bounds", access);
    bool in_dynamic = access.offset >= dynamic && access.offset < dynamic + (long long)(MAX_SHARED + SHARED_GUARD);
    if (in_dynamic && end > dynamic + (long long)shared_memory.dynamic_size) stop_for("out of bounds", access);
    if (!in_dynamic && !within_one(access)) stop_for("out of bounds", access);
}

// compare: what an atomicCAS wants to find there.
void on_access(const void* pointer, size_t size, Act act, unsigned site, bool aligned, const Bits* compare = nullptr) {
    if (!tracing || !current) return;
    last_site = site;
    const char* address = static_cast<const char*>(pointer);
    if (within(address, current->stack, STACK_SIZE)) return;  // the thread's own variables
    if (within(address, kept_arguments.start, kept_arguments.size)) return;
    if (library.has(address) && !of_the_file(address)) return;
    Access access{act, SHARED, address - shared_memory.start, size, site, current->number, false};
    bool shared = within(address, shared_memory.start, shared_memory.size);
    if (shared) {
        if (size == 1)
            for (long long guard : guards)
                if (guard == access.offset) return;
        check_shared_bounds(access);
    } else {
        locate(address, &access);
        if (access.buffer == NOWHERE) stop_for("wild pointer", access);
        const Buffer& buffer = buffers[access.buffer];
        if (access.offset < 0 || access.offset + size > buffer.bytes) stop_for("out of bounds", access);
        if (act != Act::read && buffer.read_only) stop_for("read-only", access);
    }
    if (aligned && reinterpret_cast<uintptr_t>(address) % size) stop_for("misaligned", access);
    if (compare) access.looks = memcmp(address, compare, size) != 0;
    if (mode == Mode::check) {
        check_access(access, address);
        if (act != Act::atomic) return;
        latest_atomic = access;
        latest_address = address;
    } else
        profile_access(access);
}

}  // namespace

unsigned site_of(const void* address) { return static_cast<const char*>(address) - library.start; }

unsigned site_of(Place place) {
    std::string name = std::string(place.file) + ':' + std::to_string(place.line);
    auto [found, fresh] = place_numbers.try_emplace(name, places.size());
    if (fresh) places.push_back(place);
    return NAMED_SITE | found->second;
}

unsigned block_number() { return block_index.x + grid_size.x * (block_index.y + grid_size.y * block_index.z); }

// ---- the runtime's hooks ----

bool on_launch() {
    library = this_library();
    last_site = 0;
    barriers = warp_operations = 0;
    if (!check_launch_start()) return false;
    if (mode == Mode::profile) profile_launch_start();
    return tracing = true;
}
void on_block() {
    if (mode == Mode::check) check_block_start();
}
void on_block_end() { profile_close_all(); }
void on_grid_barrier() {
    if (mode == Mode::check) check_grid_barrier();
}
void* on_block_left() { return mode == Mode::check ? check_block_left() : nullptr; }
void on_block_back(void* kept) {
    if (mode == Mode::check) check_block_back(kept);
}
void on_syncthreads(Place place) {
    ++barriers;
    profile_close_all();
    if (mode == Mode::check) check_block_barrier(place);
}
void on_warp_operation(unsigned warp, const Meeting& meeting) {
    ++warp_operations;
    if (mode == Mode::check && meeting.operation == SYNCWARP) check_warp_barrier(warp, meeting.arrived);
    if ((warps[warp].alive & ~meeting.arrived) == 0) profile_close(warp);
}
void on_exit() {}
void on_fence(bool device) {
    if (mode == Mode::check && current) check_fence(device);
}
void on_fail(const char* kind, Place place, const char* text) { note_failure(kind, place, text); }
void on_atomic(void* address, unsigned size, Place place) {
    on_access(address, size, Act::atomic, site_of(place), true);
}
void on_atomic_written(void* address) {
    if (mode == Mode::check && tracing && current) check_atomic_written(address);
}
void on_compare(void* address, unsigned size, Bits compare, Place place) {
    on_access(address, size, Act::atomic, site_of(place), true, &compare);
    on_compared(address);
}
void on_compared(void* address) {
    if (mode == Mode::check && tracing && current && address == latest_address) check_compared(latest_atomic);
}
void on_copied(const void* address, unsigned long size, bool written, Place place) {
    if (size) on_access(address, size, written ? Act::write : Act::read, site_of(place), false);
}

}  // namespace emulator

using namespace emulator;

// ---- what Python calls ----

EXPORT void emulator_trace(int how, const Buffer* first, size_t count, unsigned seconds) {
    mode = Mode(how);
    buffers.assign(first, first + count);
    latest_buffer = 0;
    places.clear();
    place_numbers.clear();
    watch_signals(seconds);
}
EXPORT void emulator_guards(const long long* first, size_t count) { guards.assign(first, first + count); }
// The shared arrays of fixed size: bytes from the start of shared memory, and their size.
EXPORT void emulator_shared_arrays(const SharedArray* first, size_t count) {
    shared_arrays.assign(first, first + count);
    latest_array = 0;
}
EXPORT void emulator_trace_end(int finished) {
    unwatch_signals();
    tracing = false;
    if (finished && mode == Mode::check && !running_again()) check_launch_end();
}
EXPORT void emulator_counts(unsigned long long* of_barriers, unsigned long long* of_warp_operations) {
    *of_barriers = barriers;
    *of_warp_operations = warp_operations;
}
EXPORT size_t emulator_dynamic_offset() { return shared_memory.dynamic - shared_memory.start; }
EXPORT const char* emulator_place(unsigned site, int* line) {
    *line = places[site & ~NAMED_SITE].line;
    return places[site & ~NAMED_SITE].file;
}

// ---- what the compiler put before each access ----

extern "C" {
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
#define ACCESS(NAME, SIZE, ACT, ALIGNED) \
    void __tsan_##NAME##SIZE(void* p) { on_access(p, SIZE, Act::ACT, site_of(RETURN_ADDRESS), ALIGNED); }
#define ACCESSES(SIZE)                              \
    ACCESS(read, SIZE, read, true)                  \
    ACCESS(write, SIZE, write, true)                \
    ACCESS(unaligned_read, SIZE, read, false)       \
    ACCESS(unaligned_write, SIZE, write, false)     \
    ACCESS(volatile_read, SIZE, read, true)         \
    ACCESS(volatile_write, SIZE, write, true)       \
    ACCESS(unaligned_volatile_read, SIZE, read, false) \
    ACCESS(unaligned_volatile_write, SIZE, write, false)
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
void __tsan_read_range(void* p, size_t size) { on_access(p, size, Act::read, site_of(RETURN_ADDRESS), false); }
void __tsan_write_range(void* p, size_t size) { on_access(p, size, Act::write, site_of(RETURN_ADDRESS), false); }
void* __tsan_memcpy(void* to, const void* from, size_t size) {
    on_access(from, size, Act::read, site_of(RETURN_ADDRESS), false);
    on_access(to, size, Act::write, site_of(RETURN_ADDRESS), false);
    return __builtin_memcpy(to, from, size);
}
void* __tsan_memmove(void* to, const void* from, size_t size) {
    on_access(from, size, Act::read, site_of(RETURN_ADDRESS), false);
    on_access(to, size, Act::write, site_of(RETURN_ADDRESS), false);
    return __builtin_memmove(to, from, size);
}
void* __tsan_memset(void* to, int value, size_t size) {
    on_access(to, size, Act::write, site_of(RETURN_ADDRESS), false);
    return __builtin_memset(to, value, size);
}
void __tsan_vptr_update(void*, void*) {}
void __tsan_vptr_read(void*) {}
// std::atomic in the host's code, which has one thread.
#define HOST_ATOMICS(BITS, T)                                                                                 \
    T __tsan_atomic##BITS##_load(const volatile T* a, int) { return *a; }                                     \
    void __tsan_atomic##BITS##_store(volatile T* a, T v, int) { *a = v; }                                     \
    T __tsan_atomic##BITS##_exchange(volatile T* a, T v, int) { T old = *a; *a = v; return old; }             \
    T __tsan_atomic##BITS##_fetch_add(volatile T* a, T v, int) { T old = *a; *a = old + v; return old; }   \
    T __tsan_atomic##BITS##_fetch_sub(volatile T* a, T v, int) { T old = *a; *a = old - v; return old; }   \
    T __tsan_atomic##BITS##_fetch_and(volatile T* a, T v, int) { T old = *a; *a = old & v; return old; }      \
    T __tsan_atomic##BITS##_fetch_or(volatile T* a, T v, int) { T old = *a; *a = old | v; return old; }       \
    int __tsan_atomic##BITS##_compare_exchange_strong(volatile T* a, T* c, T v, int, int) {                   \
        T old = *a;                                                                                           \
        if (old == *c) return *a = v, 1;                                                                      \
        return *c = old, 0;                                                                                   \
    }                                                                                                         \
    int __tsan_atomic##BITS##_compare_exchange_weak(volatile T* a, T* c, T v, int m, int n) {                 \
        return __tsan_atomic##BITS##_compare_exchange_strong(a, c, v, m, n);                                  \
    }
HOST_ATOMICS(8, unsigned char)
HOST_ATOMICS(16, unsigned short)
HOST_ATOMICS(32, unsigned)
HOST_ATOMICS(64, unsigned long long)
void __tsan_atomic_thread_fence(int) {}
void __tsan_atomic_signal_fence(int) {}
}
