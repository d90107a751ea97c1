// A program's launches, and what Python asks of a program. This file, host.cpp and host_device.cpp are compiled as one.

namespace emulator {

// ---- launches ----

static char* stacks;
static bool in_program;  // and not a kernel that Python has called
static void watch_host();
cudaError_t launch(const emulator_grid& how, const Kernel& called, void** call, Place here);

// A pointer to the host's own memory, where a kernel wants the device's.
bool check_pointers(const Kernel& called, void* const* arguments, Place here) {
    if (!in_program) return true;
    for (int i = 0; i < called.parameter_count; ++i) {
        if (!called.parameters[i].pointer) continue;
        const char* pointer = *static_cast<char* const*>(arguments[i]);
        if (Allocation* a = find(pointer)) {
            const Parameter& p = called.parameters[i];
            if (strchr("fiub", p.kind)) a->kind = p.kind, a->size = p.size;
            continue;
        }
        if (!pointer || in_library(pointer) || find(pointer - 1)) continue;  // the end of an array is no address of it
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

cudaError_t set_shared(int bytes, Place here) {
    if (bytes < 0 || bytes > int(MAX_SHARED))
        return refuse(cudaErrorInvalidValue, here, "%d bytes of dynamic shared memory, at most %u", bytes, MAX_SHARED);
    if (unsigned(bytes) > allowed_shared) allowed_shared = unsigned(bytes);
    return cudaSuccess;
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

// What kernels have launched: it runs when the launch that they are of is over, in the order in which they asked for
// it.
struct Child {
    emulator_grid how;
    Kernel called;
    void* call;  // a copy of the arguments
    size_t bytes;
    Place here;
    Child* next;
};
static Child *first_child, **last_child = &first_child;

static cudaError_t launch_later(const emulator_grid& how, const Kernel& called, void** call, Place here) {
    if (!in_program)
        fail("launch in a kernel", here, "%s is launched by a kernel: that needs a program, with a main()",
             called.name);
#if defined(EMULATOR_TRACE)
    if (running_again()) return cudaSuccess;  // it has been asked for already
#endif
    void* copy = malloc(kept_arguments.size);
    memcpy(copy, call, kept_arguments.size);
    Child* child = static_cast<Child*>(malloc(sizeof(Child)));  // no operator new: a kernel's library lacks C++'s own
    *child = {how, called, copy, kept_arguments.size, here, nullptr};
    *last_child = child;
    last_child = &child->next;
    return cudaSuccess;
}

static void launch_children() {
    while (Child* child = first_child) {
        first_child = child->next;
        if (!first_child) last_child = &first_child;
        kept_arguments = {child->call, child->bytes};
        launch(child->how, child->called, static_cast<void**>(child->call), child->here);
        free(child->call);
        free(child);
    }
}

cudaError_t launch(const emulator_grid& how, const Kernel& called, void** call, Place here) {
    if (current) return launch_later(how, called, call, here);
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
    if (how.shared > allowed_shared)
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
    if (ok) return launch_children(), sticky;
    sticky = last_error = kind_of_failure(emulator_message());
    if (!on_launched) fflush(stdout), fprintf(stderr, "%s\n", emulator_message());
    return sticky;
}

// ---- kernels that are launched by their address ----

struct Known {  // as in host.h
    const void* address;
    Kernel kernel;
    void (*choose)(const void* address);
};
static Known* knowns;
static size_t known_count, known_room;

const Known* known(const void* address) {
    for (size_t i = 0; i < known_count; ++i)
        if (knowns[i].address == address) return &knowns[i];
    return nullptr;
}
void know(const Known& kernel) {
    if (!known(kernel.address)) grown(knowns, known_count, known_room) = kernel;
}

cudaError_t launch_at(const Kernel& called, const emulator_grid& how, void** arguments, bool all_at_once, Place here) {
    if (sticky) return sticky;
    const dim3 &g = how.grid, &b = how.block;
    unsigned threads = b.x * b.y * b.z;
    unsigned long long count = 1ull * g.x * g.y * g.z, fit = threads ? blocks_at_once(threads, how.shared) : 0;
    if (all_at_once && threads && count > fit)
        return refuse(cudaErrorCooperativeLaunchTooLarge, here,
                      "%s: %llu blocks, and %llu of them fit on the device at once", called.name, count, fit);
    if (!check_pointers(called, arguments, here)) return sticky;
    together = all_at_once;
    cudaError_t error = launch(how, called, arguments, here);
    together = false;
    error_asked_for = true;  // it returns it
    return error;
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
#undef EXPORT
#define EXPORT extern "C" __attribute__((visibility("default")))

// ---- what Python calls ----

EXPORT void emulator_program(void (*launched)(const char*, const unsigned*, unsigned, int, const char*),
                             void (*over)(), int seconds, unsigned order) {
    in_program = true;
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
            if (const Allocation& a = allocations[i]; *a.here.file)
                tell("never freed", true, a.here, "%zu bytes (%s) are never freed", a.bytes, a.name);
        if (!error_asked_for)
            tell("error not asked for", true, last_launch, "cudaGetLastError() tells whether this launch could begin");
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
