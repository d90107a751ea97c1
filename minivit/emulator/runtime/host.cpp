// CUDA's runtime for programs, on the CPU, see host.h. Here: memory; then come host_device.cpp and host_launch.cpp.
// Device memory lies on pages of its own, which only a kernel or a copy may touch: host code that follows a device
// pointer is stopped, as it would be with a GPU.
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "host_types.h"
#include "runtime.h"

struct emulator_event {
    double at = -1;  // milliseconds; before it is recorded -1
};
struct emulator_grid {  // as in host.h
    dim3 grid, block;
    size_t shared;
};

namespace emulator {

enum class Home : int { host, device, pinned, managed };

struct Allocation {
    char *start, *pages;
    size_t bytes, room;  // what was asked for, and all of it, in whole pages
    Home home;
    const char* name;
    Place here;
    unsigned char* set;  // of every 4 bytes, whether somebody wrote them; only for the checker
    char kind;           // of its elements, as the kernel's parameter says that was given it last
    unsigned size;
};
struct Told {  // what was found in the host's code; Python reads these as they lie in memory
    const char *kind, *text, *file;
    int line, remark;
};

static Allocation* allocations;
static size_t allocation_count, allocation_room;
static Told* told;
static size_t told_count, told_room;
static cudaError_t last_error, sticky;
static bool error_asked_for = true;  // since the last launch
static Place last_launch;
static unsigned allowed_shared = 48 * 1024;  // which kernel asked for more a launch by <<<>>> does not tell
static unsigned launch_order;
static int launch_seconds = 60;
static void (*on_over)();  // the program has come to its end, whichever way
static void (*on_launched)(const char* name, const unsigned* sizes, unsigned shared, int ok, const char* message);

constexpr size_t GAP = 1 << 20;  // bytes of nothing behind each piece of memory
constexpr size_t PAGE = 1 << 16;  // one page or more everywhere

template <typename T>
static T& grown(T*& array, size_t& count, size_t& room) {
    if (count == room) array = static_cast<T*>(realloc(array, (room = 2 * room + 16) * sizeof(T)));
    return array[count++];
}

static void tell(const char* kind, bool remark, Place here, const char* format, va_list values) {
    if (!TRACED || told_count > 200) return;
    char text[512];
    vsnprintf(text, sizeof text, format, values);
    grown(told, told_count, told_room) = {kind, strdup(text), here.file, here.line, remark};
}
__attribute__((format(printf, 4, 5))) static void tell(const char* kind, bool remark, Place here, const char* format,
                                                       ...) {
    va_list values;
    va_start(values, format);
    tell(kind, remark, here, format, values);
    va_end(values);
}

cudaError_t remember(cudaError_t error) {
    if (error != cudaSuccess) last_error = error;
    return error;
}

// An error of the host's code: the call returns it, and the checker tells it.
__attribute__((format(printf, 3, 4))) cudaError_t refuse(cudaError_t error, Place here, const char* format, ...) {
    va_list values;
    va_start(values, format);
    tell(cudaGetErrorName(error), false, here, format, values);
    va_end(values);
    return remember(error);
}

// ---- memory ----

static Allocation* find(const void* pointer) {
    for (size_t i = allocation_count; i-- > 0;) {
        Allocation& a = allocations[i];
        if (pointer >= a.start && pointer < a.start + (a.bytes ? a.bytes : 1)) return &a;
    }
    return nullptr;
}

// Device memory is closed while the host's code runs.
static void open_memory(bool open) {
    for (size_t i = 0; i < allocation_count; ++i)
        if (allocations[i].home == Home::device && allocations[i].room)
            mprotect(allocations[i].pages, allocations[i].room, open ? PROT_READ | PROT_WRITE : PROT_NONE);
}

static const char* plain_name(const char* text) {  // "(void**)&d_x" is d_x
    const char* name = text;
    for (const char* c = text; *c; ++c)
        if (*c == '&' || *c == ')') name = c + 1;
    return *name ? name : text;
}

cudaError_t allocate(void** pointer, size_t bytes, Home home, const char* name, Place here) {
    if (sticky) return sticky;
    if (!pointer) return refuse(cudaErrorInvalidValue, here, "memory is asked for through a null pointer");
    size_t room = (bytes + PAGE - 1) / PAGE * PAGE;
    if (bytes > size_t(16) << 30) return refuse(cudaErrorMemoryAllocation, here, "%zu bytes: the GPU has 16 GiB", bytes);
    void* memory = mmap(nullptr, room + 2 * GAP, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    unsigned char* set = nullptr;
    if (TRACED && home == Home::device) set = static_cast<unsigned char*>(calloc(bytes / 4 + 2, 1));
    if (memory == MAP_FAILED || (TRACED && home == Home::device && !set))
        return refuse(cudaErrorMemoryAllocation, here, "no room for %zu bytes is left by the limit of memory (--memory)", bytes);
    // At the end of its pages, so that what lies behind faults; 256 bytes are what cudaMalloc aligns to.
    char* pages = static_cast<char*>(memory) + GAP;
    mprotect(pages, room, PROT_READ | PROT_WRITE);
    if (bytes && bytes < size_t(1) << 28) memset(pages, 0xff, room);  // NaN, and -1: nothing to count on
    char* start = pages + room - (bytes + 255) / 256 * 256;
    grown(allocations, allocation_count, allocation_room) = {start, pages, bytes, room, home, plain_name(name), here, set, 'u', 1};
    if (home == Home::device) mprotect(pages, room, PROT_NONE);
    *pointer = start;
    return cudaSuccess;
}

cudaError_t release(void* pointer, Home home, Place here) {
    if (!pointer || current) return cudaSuccess;  // a kernel's parameter is the host's to destroy
    if (sticky) return sticky;
    Allocation* a = find(pointer);
    bool pinned = home == Home::pinned;
    if (!a || a->start != pointer)
        return refuse(cudaErrorInvalidValue, here, "frees an address that %s",
                      a ? "is not the beginning of its memory" : "was never asked for, or was freed before");
    if (pinned != (a->home == Home::pinned))
        return refuse(cudaErrorInvalidValue, here, "frees %s with the wrong function: %s", a->name,
                      pinned ? "cudaFree is for device memory" : "cudaFreeHost is for pinned memory");
    munmap(a->pages - GAP, a->room + 2 * GAP);
    free(a->set);
    *a = allocations[--allocation_count];
    return cudaSuccess;
}

// Variables of the file whose addresses were asked for, and may be copied to and from like memory.
static struct {
    const char* start;
    size_t bytes;
} symbols[64];
static int symbol_count;

void know_symbol(const void* start, size_t bytes) {
    for (int i = 0; i < symbol_count; ++i)
        if (symbols[i].start == start) return;
    if (symbol_count < 64) symbols[symbol_count++] = {static_cast<const char*>(start), bytes};
}

static bool in_symbol(const void* pointer, size_t bytes) {
    for (int i = 0; i < symbol_count; ++i)
        if (pointer >= symbols[i].start && static_cast<const char*>(pointer) + bytes <= symbols[i].start + symbols[i].bytes)
            return true;
    return false;
}

static bool on_device(const void* pointer) {
    Allocation* a = find(pointer);
    return a ? a->home == Home::device : in_symbol(pointer, 1);
}

static void mark(void* to, size_t bytes) {
    Allocation* a = find(to);
    if (!a || !a->set) return;
    size_t offset = static_cast<char*>(to) - a->start;
    for (size_t i = offset / 4; i * 4 < offset + bytes; ++i) a->set[i] = 1;
}

// Whether [pointer, pointer + bytes) is device memory where that is wanted, and host memory where not.
static cudaError_t place_of(const void* pointer, size_t bytes, bool device, const char* call, const char* what,
                            Place here) {
    Allocation* a = find(pointer);
    if (!pointer && bytes) return refuse(cudaErrorInvalidValue, here, "%s: %s is a null pointer", call, what);
    if (device && !a && in_symbol(pointer, bytes)) return cudaSuccess;
    if (device && !a)
        return refuse(cudaErrorInvalidValue, here, "%s: %s should be device memory, and is the host's", call, what);
    if (!device && a && a->home == Home::device)
        return refuse(cudaErrorInvalidValue, here, "%s: %s should be the host's memory, and is device memory (%s)", call,
                      what, a->name);
    if (a && size_t(static_cast<const char*>(pointer) - a->start) + bytes > a->bytes)
        return refuse(cudaErrorInvalidValue, here, "%s: %zu bytes, but %s has %zu from there on", call, bytes, a->name,
                      a->bytes - size_t(static_cast<const char*>(pointer) - a->start));
    return cudaSuccess;
}

cudaError_t copy(void* to, size_t to_pitch, const void* from, size_t from_pitch, size_t width, size_t height,
                 cudaMemcpyKind kind, const char* call, Place here) {
    if (sticky) return sticky;
    if (!width || !height) return cudaSuccess;
    if (width > to_pitch || width > from_pitch)
        return refuse(cudaErrorInvalidValue, here, "%s: rows of %zu bytes do not fit their pitch", call, width);
    if (unsigned(kind) > cudaMemcpyDefault)
        return refuse(cudaErrorInvalidMemcpyDirection, here, "%s: there is no direction %d", call, int(kind));
    bool to_device = kind == cudaMemcpyDefault ? on_device(to) : kind & 1;
    bool from_device = kind == cudaMemcpyDefault ? on_device(from) : kind & 2;
    size_t to_bytes = to_pitch * (height - 1) + width, from_bytes = from_pitch * (height - 1) + width;
    cudaError_t error = place_of(to, to_bytes, to_device, call, "what it copies to", here);
    if (!error) error = place_of(from, from_bytes, from_device, call, "what it copies from", here);
    if (error) return error;
    Allocation* source = find(from);
    if (source && source->set && from_device) {
        size_t offset = static_cast<const char*>(from) - source->start, unset = 0;
        for (size_t i = offset / 4; i * 4 < offset + from_bytes; ++i) unset += !source->set[i];
        if (unset && height == 1)
            tell("copied unset", true, here, "%s: %zu of the %zu bytes that it copies from %s were never written", call,
                 unset * 4, from_bytes, source->name);
    }
    open_memory(true);
    for (size_t row = 0; row < height; ++row) {
        memmove(static_cast<char*>(to) + row * to_pitch, static_cast<const char*>(from) + row * from_pitch, width);
        mark(static_cast<char*>(to) + row * to_pitch, width);
    }
    open_memory(false);
    return cudaSuccess;
}

cudaError_t fill(void* to, size_t pitch, int byte, size_t width, size_t height, const char* call, Place here) {
    if (sticky) return sticky;
    if (!width || !height) return cudaSuccess;
    cudaError_t error = place_of(to, pitch * (height - 1) + width, true, call, "what it fills", here);
    if (error) return error;
    open_memory(true);
    for (size_t row = 0; row < height; ++row) {
        memset(static_cast<char*>(to) + row * pitch, byte, width);
        mark(static_cast<char*>(to) + row * pitch, width);
    }
    open_memory(false);
    return cudaSuccess;
}

cudaError_t pointer_attributes(cudaPointerAttributes* attributes, const void* pointer) {
    Allocation* a = find(pointer);
    cudaMemoryType types[] = {cudaMemoryTypeUnregistered, cudaMemoryTypeDevice, cudaMemoryTypeHost,
                              cudaMemoryTypeManaged};
    void* there = const_cast<void*>(pointer);
    bool device = a && a->home == Home::device;
    *attributes = {types[a ? int(a->home) : 0], 0, a ? there : nullptr, device ? nullptr : there};
    return cudaSuccess;
}

}  // namespace emulator
