// CUDA's runtime for programs, on the CPU: see host.h. Device memory lies on pages of its own, which only a kernel or a
// copy may touch: host code that follows a device pointer is stopped, as it would be with a GPU.
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
static struct {
    const void* entry;
    int bytes;
} opted[256];
static int opted_count;
static unsigned launch_order;
static int launch_seconds = 60;
static void (*on_over)();  // the program has come to its end, whichever way
static void (*on_launched)(const char* name, const unsigned* sizes, unsigned shared, int ok, const char* message);

constexpr size_t GAP = 1 << 20;  // bytes of nothing behind each piece of memory
constexpr size_t PAGE = 4096;

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
    if (memory == MAP_FAILED) return refuse(cudaErrorMemoryAllocation, here, "there is no room for %zu bytes", bytes);
    // At the end of its pages, so that what lies behind faults; 256 bytes are what cudaMalloc aligns to.
    char* pages = static_cast<char*>(memory) + GAP;
    mprotect(pages, room, PROT_READ | PROT_WRITE);
    if (bytes && bytes < size_t(1) << 28) memset(pages, 0xff, room);  // NaN, and -1: nothing to count on
    unsigned char* set = nullptr;
    if (TRACED && home == Home::device) set = static_cast<unsigned char*>(calloc(bytes / 4 + 2, 1));
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

static bool on_device(const void* pointer) {
    Allocation* a = find(pointer);
    return a && a->home == Home::device;
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

// ---- launches ----

static char* stacks;
static void watch_host();

// A pointer to the host's own memory, where a kernel wants the device's.
bool check_pointers(const Kernel& called, void* const* arguments, Place here) {
    for (int i = 0; i < called.parameter_count; ++i) {
        if (!called.parameters[i].pointer) continue;
        const char* pointer = *static_cast<char* const*>(arguments[i]);
        if (Allocation* a = find(pointer)) {
            const Parameter& p = called.parameters[i];
            if (strchr("fiub", p.kind)) a->kind = p.kind, a->size = p.size;
            continue;
        }
        if (!pointer || in_library(pointer)) continue;
        bool freed = true;  // memory that was freed is nobody's; the host's can be read
        int pipe_ends[2];
        if (pipe(pipe_ends) == 0) {
            freed = write(pipe_ends[1], pointer, 1) < 0;
            close(pipe_ends[0]);
            close(pipe_ends[1]);
        }
        refuse(cudaErrorIllegalAddress, here, "%s: argument %d is a pointer to %s", called.name, i + 1,
               freed ? "memory that was freed" : "the host's own memory: a kernel needs device memory");
        sticky = cudaErrorIllegalAddress;
        return false;
    }
    return true;
}

cudaError_t set_shared(const void* entry, int bytes, Place here) {
    if (bytes < 0 || bytes > int(MAX_SHARED))
        return refuse(cudaErrorInvalidValue, here, "%d bytes of dynamic shared memory, at most %u", bytes, MAX_SHARED);
    if (opted_count < 256) opted[opted_count++] = {entry, bytes};
    return cudaSuccess;
}

static unsigned allowed_shared() {  // which kernel asked for more is not known of a launch by <<<>>>: any that did
    unsigned most = 48 * 1024;
    for (int i = 0; i < opted_count; ++i) most = opted[i].bytes > int(most) ? opted[i].bytes : most;
    return most;
}

static cudaError_t kind_of_failure(const char* text) {
    return strstr(text, "assert(") ? cudaErrorAssert
           : strstr(text, "touched memory") || strstr(text, "wrote behind") ? cudaErrorIllegalAddress
                                                                           : cudaErrorLaunchFailure;
}

#if defined(EMULATOR_TRACE)
static Mode program_mode = Mode::check;
struct Variable {
    char* start;
    size_t bytes;
    size_t read_only;
};
static Variable* variables;
static size_t variable_count;

void begin_traced_launch() {
    static Buffer* now;
    now = static_cast<Buffer*>(realloc(now, (allocation_count + variable_count + 1) * sizeof(Buffer)));
    size_t n = 0;
    for (size_t i = 0; i < allocation_count; ++i) {
        Allocation& a = allocations[i];
        now[n++] = {a.start, a.bytes, 4, 0, a.set != nullptr, a.set};
    }
    for (size_t i = 0; i < variable_count; ++i)
        now[n++] = {variables[i].start, variables[i].bytes, 4, int(variables[i].read_only), 0, nullptr};
    emulator_trace(int(program_mode), now, n, launch_seconds);
}
void end_traced_launch(bool ok) { emulator_trace_end(ok); }
#endif

cudaError_t launch(const emulator_grid& how, const Kernel& called, void** call, const void*, Place here) {
    if (sticky) return sticky;
    last_launch = here;
    error_asked_for = false;
    const dim3 &g = how.grid, &b = how.block;
    unsigned long long count = 1ull * b.x * b.y * b.z;
    if (!g.x || !g.y || !g.z || !count)
        return refuse(cudaErrorInvalidConfiguration, here, "%s<<<(%u, %u, %u), (%u, %u, %u)>>>: nothing of it may be 0",
                      called.name, g.x, g.y, g.z, b.x, b.y, b.z);
    if (count > MAX_THREADS || b.z > 64 || g.x > 0x7fffffffu || g.y > 65535 || g.z > 65535)
        return refuse(cudaErrorInvalidConfiguration, here,
                      "%s<<<(%u, %u, %u), (%u, %u, %u)>>>: a block has at most 1024 threads, 64 of them along z, and a "
                      "grid at most 65535 blocks along y and z",
                      called.name, g.x, g.y, g.z, b.x, b.y, b.z);
    if (how.shared > allowed_shared())
        return refuse(cudaErrorInvalidValue, here,
                      "%s: %zu bytes of dynamic shared memory: more than 48 KB must be allowed first, by "
                      "cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes)",
                      called.name, how.shared);
    if (!stacks) stacks = static_cast<char*>(emulator_new_stacks());
    open_memory(true);
#if defined(EMULATOR_TRACE)
    begin_traced_launch();
#endif
    bool ok = run_launch(called, g, b, how.shared, call, launch_order, stacks, false);
#if defined(EMULATOR_TRACE)
    end_traced_launch(ok);
    watch_host();
#endif
    open_memory(false);
    fputs(emulator_printed(), stdout);
    unsigned sizes[] = {g.x, g.y, g.z, b.x, b.y, b.z};
    if (on_launched) on_launched(called.name, sizes, how.shared, ok, emulator_message());
    if (ok) return cudaSuccess;
    sticky = last_error = kind_of_failure(emulator_message());
    if (!on_launched) fflush(stdout), fprintf(stderr, "%s\n", emulator_message());
    return sticky;
}

// ---- the device ----

void device_properties(cudaDeviceProp* p) {
    memset(p, 0, sizeof *p);
    snprintf(p->name, sizeof p->name, "minivit's emulator, as an A100");
    p->totalGlobalMem = size_t(16) << 30;
    p->sharedMemPerBlock = 48 * 1024;
    p->sharedMemPerBlockOptin = 163 * 1024;
    p->sharedMemPerMultiprocessor = 164 * 1024;
    p->totalConstMem = 64 * 1024;
    p->memPitch = 0x7fffffff;
    p->textureAlignment = 512;
    p->regsPerBlock = p->regsPerMultiprocessor = 65536;
    p->warpSize = 32;
    p->maxThreadsPerBlock = p->maxThreadsDim[0] = p->maxThreadsDim[1] = 1024;
    p->maxThreadsDim[2] = 64;
    p->maxGridSize[0] = 0x7fffffff;
    p->maxGridSize[1] = p->maxGridSize[2] = 65535;
    p->clockRate = 1410000;
    p->major = 8;
    p->multiProcessorCount = 108;
    p->canMapHostMemory = p->concurrentKernels = p->unifiedAddressing = p->managedMemory = 1;
    p->concurrentManagedAccess = p->cooperativeLaunch = 1;
    p->memoryClockRate = 1215000;
    p->memoryBusWidth = 5120;
    p->l2CacheSize = 40 << 20;
    p->maxThreadsPerMultiProcessor = 2048;
    p->maxBlocksPerMultiProcessor = 32;
    p->asyncEngineCount = 3;
}

static double milliseconds() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1e3 + now.tv_nsec * 1e-6;
}

// The host's code has touched what it must not.
static void on_host_crash(int signal, siginfo_t* info, void*) {
    Allocation* a = find(info->si_addr);
    fflush(stdout);
    if (a && a->home == Home::device) {
        fprintf(stderr, "the host's code touches device memory (%s): copy it with cudaMemcpy first\n", a->name);
        tell("device memory", false, {"", 0}, "the host's code touches %s: copy it with cudaMemcpy first", a->name);
    } else
        fprintf(stderr, "the host's code crashed: signal %d at the address %p\n", signal, info->si_addr);
    if (on_over) on_over();
    _exit(128 + signal);
}

static void watch_host() {
    static char stack[65536];
    stack_t other{};
    other.ss_sp = stack;
    other.ss_size = sizeof stack;
    sigaltstack(&other, nullptr);
    struct sigaction action {};
    action.sa_sigaction = on_host_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    const int watched[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (int signal : watched) sigaction(signal, &action, nullptr);
}

}  // namespace emulator

using namespace emulator;
#define EXPORT extern "C" __attribute__((visibility("default")))

static const struct {
    cudaError_t error;
    const char *name, *text;
} ERRORS[] = {
#define ERROR(NAME, TEXT) {NAME, #NAME, TEXT},
    ERROR(cudaSuccess, "no error")
    ERROR(cudaErrorInvalidValue, "invalid argument")
    ERROR(cudaErrorMemoryAllocation, "out of memory")
    ERROR(cudaErrorInitializationError, "initialization error")
    ERROR(cudaErrorInvalidConfiguration, "invalid configuration argument")
    ERROR(cudaErrorInvalidSymbol, "invalid device symbol")
    ERROR(cudaErrorInvalidDevicePointer, "invalid device pointer")
    ERROR(cudaErrorInvalidMemcpyDirection, "invalid copy direction for memcpy")
    ERROR(cudaErrorNoDevice, "no CUDA-capable device is detected")
    ERROR(cudaErrorInvalidDevice, "invalid device ordinal")
    ERROR(cudaErrorInvalidResourceHandle, "invalid resource handle")
    ERROR(cudaErrorNotReady, "device not ready")
    ERROR(cudaErrorIllegalAddress, "an illegal memory access was encountered")
    ERROR(cudaErrorLaunchOutOfResources, "too many resources requested for launch")
    ERROR(cudaErrorLaunchTimeout, "the launch timed out and was terminated")
    ERROR(cudaErrorAssert, "device-side assert triggered")
    ERROR(cudaErrorMisalignedAddress, "misaligned address")
    ERROR(cudaErrorLaunchFailure, "unspecified launch failure")
    ERROR(cudaErrorCooperativeLaunchTooLarge, "too many blocks in cooperative launch")
    ERROR(cudaErrorNotSupported, "operation not supported")
    ERROR(cudaErrorUnknown, "unknown error")
#undef ERROR
};
const char* cudaGetErrorString(cudaError_t error) {
    for (auto& known : ERRORS)
        if (known.error == error) return known.text;
    return "unrecognized error code";
}
const char* cudaGetErrorName(cudaError_t error) {
    for (auto& known : ERRORS)
        if (known.error == error) return known.name;
    return "cudaErrorUnknown";
}
cudaError_t cudaGetLastError() {
    error_asked_for = true;
    cudaError_t error = sticky ? sticky : last_error;
    last_error = cudaSuccess;
    return error;
}
cudaError_t cudaPeekAtLastError() {
    error_asked_for = true;
    return sticky ? sticky : last_error;
}
cudaError_t cudaDeviceSynchronize() {
    if (sticky) error_asked_for = true;
    return sticky;
}
cudaError_t cudaDeviceReset(Place) {
    while (allocation_count) {
        Allocation& a = allocations[--allocation_count];
        munmap(a.pages - GAP, a.room + 2 * GAP);
        free(a.set);
    }
    sticky = last_error = cudaSuccess;
    return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
    cudaDeviceProp p;
    device_properties(&p);
    switch (attribute) {
        case cudaDevAttrMaxThreadsPerBlock:
        case cudaDevAttrMaxBlockDimX: *value = p.maxThreadsPerBlock; break;
        case cudaDevAttrMaxGridDimX: *value = p.maxGridSize[0]; break;
        case cudaDevAttrMaxSharedMemoryPerBlock: *value = int(p.sharedMemPerBlock); break;
        case cudaDevAttrWarpSize: *value = 32; break;
        case cudaDevAttrMaxRegistersPerBlock: *value = p.regsPerBlock; break;
        case cudaDevAttrClockRate: *value = p.clockRate; break;
        case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
        case cudaDevAttrMemoryClockRate: *value = p.memoryClockRate; break;
        case cudaDevAttrGlobalMemoryBusWidth: *value = p.memoryBusWidth; break;
        case cudaDevAttrL2CacheSize: *value = p.l2CacheSize; break;
        case cudaDevAttrMaxThreadsPerMultiProcessor: *value = p.maxThreadsPerMultiProcessor; break;
        case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
        case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
        case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = int(p.sharedMemPerMultiprocessor); break;
        case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = int(p.sharedMemPerBlockOptin); break;
        default: *value = 1;
    }
    return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) {
    *event = static_cast<emulator_event*>(malloc(sizeof(emulator_event)));
    (*event)->at = -1;
    return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
    event->at = milliseconds();
    return sticky;
}
cudaError_t cudaEventElapsedTime(float* elapsed, cudaEvent_t first, cudaEvent_t last) {
    if (first->at < 0 || last->at < 0) return remember(cudaErrorInvalidResourceHandle);
    *elapsed = float(last->at - first->at);
    return sticky;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
    free(event);
    return cudaSuccess;
}

// printf in a kernel is kept until the launch is over; in the host's code it is printf.
extern "C" int emulator_print(const char* format, ...) {
    va_list values;
    va_start(values, format);
    int n = current ? print_in_kernel(format, values) : vprintf(format, values);
    va_end(values);
    return n;
}

extern "C" void __assert_fail(const char* condition, const char* file, unsigned line, const char*) noexcept {
    if (current) fail("assert", {file, int(line)}, "assert(%s) failed", condition);
    fflush(stdout);
    fprintf(stderr, "%s:%u: assert(%s) failed\n", file, line, condition);
    if (on_over) on_over();
    _exit(134);
}

// ---- what Python calls ----

EXPORT void emulator_program(void (*launched)(const char*, const unsigned*, unsigned, int, const char*),
                             void (*over)(), int seconds, unsigned order) {
    on_launched = launched;
    on_over = over;
    if (over) atexit(over);
    launch_seconds = seconds;
    launch_order = order;
    watch_host();
}
// When the program is over: what was never freed, and errors that nobody asked for.
EXPORT size_t emulator_told(const void** first) {
    static bool over;
    if (!over && !sticky) {
        for (size_t i = 0; i < allocation_count; ++i)
            tell("never freed", true, allocations[i].here, "%zu bytes (%s) are never freed", allocations[i].bytes,
                 allocations[i].name);
        if (!error_asked_for)
            tell("error not asked for", true, last_launch,
                 "nobody asks whether this launch went well: cudaGetLastError() and cudaDeviceSynchronize() tell");
    }
    over = true;
    *first = told;
    return told_count;
}
// The memory that a launch's findings call by a number, and the type of its elements.
EXPORT const char* emulator_memory(size_t number, size_t* bytes, char* kind, unsigned* size) {
    if (number >= allocation_count) return nullptr;
    const Allocation& a = allocations[number];
    *bytes = a.bytes;
    *kind = a.kind;
    *size = a.size;
    return a.name;
}
#if defined(EMULATOR_TRACE)
EXPORT void emulator_program_traced(int mode, const void* of_the_file, size_t count) {
    program_mode = Mode(mode);
    variables = static_cast<Variable*>(malloc((count + 1) * sizeof(Variable)));
    memcpy(variables, of_the_file, count * sizeof(Variable));
    variable_count = count;
}
#endif
